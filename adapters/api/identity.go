package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
)

// discoveryPaths begin what anybody may ask for, from any page: how to log in.
func discoveryPaths() []string {
	return []string{
		"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server",
		"/oauth2/authorize", "/oauth2/token",
	}
}

// identityKeysPath is where the keys are that verify what tells servers who
// calls.
const identityKeysPath = "/.well-known/mooring-jwks.json"

// isDiscovery reports whether the path is one of discoveryPaths or below it, or
// identityKeysPath.
// No cookie counts for anything there, so a page of another origin can do no
// more than any other client.
func isDiscovery(path string) bool {
	if path == identityKeysPath {
		return true
	}
	for _, begin := range discoveryPaths() {
		if rest, found := strings.CutPrefix(path, begin); found && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// addIdentity adds the paths of discovery and of API keys. In development mode
// they say what would turn them on.
func (a *api) addIdentity(mux *http.ServeMux) {
	discovery := a.Discovery
	if discovery == nil {
		discovery = a.off("Identity is off (development mode), so there is nowhere to log in: start with --auth.")
	}
	discovery = named(discovery)
	for _, path := range discoveryPaths() {
		mux.Handle(path, discovery)
		mux.Handle(path+"/", discovery)
	}
	mux.HandleFunc(identityKeysPath, a.identityKeys)
	keys := a.off("Identity is off (development mode), so there are no API keys: start with --auth.")
	if a.APIKeys != nil {
		keys = named(a.APIKeys(noting{a.Authenticator}))
	}
	mux.Handle("/apikeys", keys)
	mux.Handle("/apikeys/{id}", keys)
}

// identityKeys serves identityKeysPath, to any page.
func (a *api) identityKeys(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
		w.Header().Set("Access-Control-Max-Age", "3600")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		a.fail(w, r, &problem{
			status: http.StatusMethodNotAllowed, detail: "This path takes only GET, HEAD, OPTIONS.",
			header: http.Header{"Allow": {"GET, HEAD, OPTIONS"}},
		})
		return
	}
	if a.IdentityKeys == nil {
		a.fail(w, r, &problem{status: http.StatusNotFound, detail: "This gateway signs nothing that tells servers who calls."})
		return
	}
	text, err := a.IdentityKeys()
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	// As long as a new key may be unknown to who verifies.
	w.Header().Set("Cache-Control", "public, max-age=60")
	// What the client can no longer be sent is lost: there is nobody to tell.
	_, _ = w.Write(text)
}

// off answers that there is nothing, and why.
func (a *api) off(detail string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, &problem{status: http.StatusNotFound, detail: detail})
	})
}

// named gives the request the id that its line in the log has.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Set(headerRequestID, callOf(r).id)
		next.ServeHTTP(w, r)
	})
}

// noting is an Authenticator that leaves the principal for the request's line
// in the log.
type noting struct{ Authenticator }

// Authenticate implements Authenticator.
func (n noting) Authenticate(ctx context.Context, h http.Header) (adapters.Principal, error) {
	p, err := n.Authenticator.Authenticate(ctx, h)
	if c, found := ctx.Value(callKey{}).(*call); found && err == nil {
		c.principal, c.who = p.Hash(), p.ID()
	}
	return p, err
}
