package authn

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters/logging"
)

const (
	serverMetadataPath = "/.well-known/oauth-authorization-server"
	authorizePath      = "/oauth2/authorize"
	tokenPath          = "/oauth2/token"

	// maxForm bounds the body of a token request, and the query of an
	// authorization request.
	maxForm = 64 << 10
	// parameterResource is the parameter of RFC 8707 that Entra refuses.
	parameterResource = "resource"
)

// Handler serves what a client needs to find out how to log in, to anybody: the
// documents of MetadataHandler, and with DiscoveryEntra also
// /.well-known/oauth-authorization-server, /oauth2/authorize and /oauth2/token.
// It answers 404 to all other paths.
func (g *Gate) Handler() http.Handler {
	metadata := g.MetadataHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Clients put the path of the public URL behind the well-known part,
		// and before all others, unless a proxy has taken it off.
		own := strings.TrimPrefix(r.URL.Path, g.address.path)
		entra, login := g.current.Load().config.entraLogin()
		switch {
		case strings.HasPrefix(r.URL.Path, metadataPath):
			metadata.ServeHTTP(w, r)
		case !entra:
			writeProblem(w, r, http.StatusNotFound, "There is nothing at this path, unless clients are led to Entra (discovery: entra).")
		case r.URL.Path == serverMetadataPath+g.address.path, r.URL.Path == serverMetadataPath:
			servePublic(w, r, g.serverMetadata())
		case own == authorizePath:
			authorize(w, r, login)
		case own == tokenPath:
			g.token(w, r, login)
		default:
			writeProblem(w, r, http.StatusNotFound, "There is nothing at this path, unless clients are led to Entra (discovery: entra).")
		}
	})
}

// entraLogin is where Entra's endpoints begin, where clients are led there by
// way of the gateway.
func (c *Config) entraLogin() (entra bool, login string) {
	if c.Discovery != DiscoveryEntra {
		return false, ""
	}
	for _, i := range c.Issuers {
		if i.IsAdvertised() {
			return true, strings.TrimSuffix(i.URL, "/v2.0") + "/oauth2/v2.0"
		}
	}
	return false, ""
}

// serverMetadata is the document of RFC 8414 that Entra lacks. It says what is
// true of Entra and what its own configuration leaves out: clients of MCP go no
// further unless code_challenge_methods_supported is there.
func (g *Gate) serverMetadata() any {
	return struct {
		Issuer        string   `json:"issuer"`
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		Responses     []string `json:"response_types_supported"`
		Modes         []string `json:"response_modes_supported"`
		Grants        []string `json:"grant_types_supported"`
		Challenges    []string `json:"code_challenge_methods_supported"`
		Methods       []string `json:"token_endpoint_auth_methods_supported"`
		Scopes        []string `json:"scopes_supported,omitempty"`
	}{
		Issuer: g.address.URL(), Authorization: g.address.URL() + authorizePath, Token: g.address.URL() + tokenPath,
		Responses: []string{"code"}, Modes: []string{"query"},
		Grants: grants(), Challenges: []string{"S256"},
		Methods: []string{"none", "client_secret_post", "client_secret_basic"},
		Scopes:  g.current.Load().scopes,
	}
}

// grants are the grants that are handed on. Others need no resource parameter,
// and so no gateway.
func grants() []string { return []string{"authorization_code", "refresh_token"} }

// authorize sends the browser on to Entra without the parameter resource. The
// scopes say which application is meant.
func authorize(w http.ResponseWriter, r *http.Request, login string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeProblem(w, r, http.StatusMethodNotAllowed, "This path takes only GET, HEAD.")
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxForm {
		writeProblem(w, r, http.StatusBadRequest, "The query is not valid.")
		return
	}
	query.Del(parameterResource)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, login+"/authorize?"+query.Encode(), http.StatusFound)
}

// token hands a token request on to Entra without the parameter resource, and
// its answer back. Nothing of either is kept or logged.
func (g *Gate) token(w http.ResponseWriter, r *http.Request, login string) {
	allowAnyPage(w.Header())
	w.Header().Set("Access-Control-Allow-Methods", "OPTIONS, POST")
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "OPTIONS, POST")
		oauthError(w, http.StatusMethodNotAllowed, "invalid_request", "This path takes only OPTIONS, POST.")
		return
	}
	form, err := readForm(r)
	if err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	if !slices.Contains(grants(), form.Get("grant_type")) {
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "Ask the issuer itself for this grant.")
		return
	}
	form.Del(parameterResource)
	if err := g.handOn(w, r, login+"/token", form); err != nil {
		g.opt.Log.Warn("token request cannot be handed on", logging.RequestID, r.Header.Get(headerRequestID), "error", err)
		w.Header().Set("Retry-After", "5")
		oauthError(w, http.StatusServiceUnavailable, "temporarily_unavailable", "The issuer cannot be reached.")
	}
}

// readForm reads a form strictly: RFC 6749 allows no parameter twice.
func readForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errors.New("the body must be a form")
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(text) > maxForm {
		return nil, errors.New("the body is too long or was cut off")
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, errors.New("the body is not a valid form")
	}
	for name, values := range form {
		if len(values) > 1 && name != parameterResource {
			return nil, errors.New("a parameter is there more than once")
		}
	}
	return form, nil
}

// handOn posts form to target and copies the answer. An error means that
// nothing was answered yet.
func (g *Gate) handOn(w http.ResponseWriter, r *http.Request, target string, form url.Values) error {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// A confidential client's own secret, and what Entra asks of pages.
	for _, name := range []string{"Authorization", "Origin"} {
		if value := r.Header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	answer, err := g.login.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(answer.StatusCode)
	// What the client can no longer be sent is lost.
	_, _ = w.Write(text)
	return nil
}

// oauthError answers with an error of RFC 6749, section 5.2.
func oauthError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}
