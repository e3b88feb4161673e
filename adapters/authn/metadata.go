package authn

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
)

// ResourceMetadata is the document of RFC 9728 that tells a client where to get
// a token for a resource.
type ResourceMetadata struct {
	// Resource is the URI of the resource.
	Resource string `json:"resource"`
	// AuthorizationServers are the issuers that give tokens for it.
	AuthorizationServers []string `json:"authorization_servers,omitempty"`
	// Scopes are what to ask for.
	Scopes []string `json:"scopes_supported,omitempty"`
	// BearerMethods is how to send a token: in the header alone.
	BearerMethods []string `json:"bearer_methods_supported"`
	// Name is for people.
	Name string `json:"resource_name"`
}

// Metadata is the document of the adapter of that name, or of the gateway for
// an empty one, by c.
func (c *Config) Metadata(address Address, adapter string) ResourceMetadata {
	m := ResourceMetadata{
		Resource:      address.Resource(adapter).URI,
		BearerMethods: []string{"header"},
		Name:          "Mooring",
	}
	if adapter != "" {
		m.Name += ": " + adapter
	}
	var issuers []*issuer
	for _, i := range c.Issuers {
		issuers = append(issuers, &issuer{Issuer: i, scopes: i.advertisedScopes()})
		if i.IsAdvertised() && c.Discovery != DiscoveryEntra {
			m.AuthorizationServers = append(m.AuthorizationServers, i.URL)
		}
	}
	if c.Discovery == DiscoveryEntra {
		m.AuthorizationServers = []string{address.URL()}
	}
	m.Scopes = advertisedScopes(issuers)
	return m
}

// MetadataHandler serves the documents at
// /.well-known/oauth-protected-resource and
// /.well-known/oauth-protected-resource/adapters/{name}/mcp, to any page, since
// clients run in browsers too. It answers alike for adapters that exist and
// those that do not: who is not logged in yet cannot find out which do.
func (g *Gate) MetadataHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, found := g.metadataAdapter(r.URL.Path)
		if !found {
			writeProblem(w, r, http.StatusNotFound, "There is nothing at this path.")
			return
		}
		servePublic(w, r, g.current.Load().config.Metadata(g.address, name))
	})
}

// metadataAdapter is the adapter whose document is at path. The path of the
// public URL may be there or, where a proxy has taken it off, not.
func (g *Gate) metadataAdapter(path string) (name string, found bool) {
	path, found = strings.CutPrefix(path, metadataPath)
	if !found {
		return "", false
	}
	path = strings.TrimPrefix(path, g.address.path)
	if path == "" {
		return "", true
	}
	path, found = strings.CutPrefix(path, "/adapters/")
	if !found {
		return "", false
	}
	name, found = strings.CutSuffix(path, "/mcp")
	return name, found && adapters.ValidName(name)
}

// servePublic answers GET, HEAD and the preflight of a document that any page
// may read.
func servePublic(w http.ResponseWriter, r *http.Request, document any) {
	allowAnyPage(w.Header())
	switch r.Method {
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodGet, http.MethodHead:
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		writeProblem(w, r, http.StatusMethodNotAllowed, "This path takes only GET, HEAD, OPTIONS.")
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=60")
	writeJSON(w, http.StatusOK, document)
}

// writeJSON writes value as the answer. What the client can no longer be sent
// is lost: there is nobody to tell.
func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
}

// headerRequestID names a request in the logs of all parts.
const headerRequestID = "X-Request-Id"

// writeProblem answers with an error (RFC 9457).
func writeProblem(w http.ResponseWriter, r *http.Request, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// As above.
	_ = json.NewEncoder(w).Encode(struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		RequestID string `json:"requestId"`
	}{"about:blank", http.StatusText(status), status, detail, r.Header.Get(headerRequestID)})
}

func allowAnyPage(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, MCP-Protocol-Version")
	h.Set("Access-Control-Max-Age", "3600")
}
