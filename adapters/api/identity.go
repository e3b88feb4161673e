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

// isDiscovery reports whether the path is one of discoveryPaths or below it.
// No cookie counts for anything there, so a page of another origin can do no
// more than any other client.
func isDiscovery(path string) bool {
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
	keys := a.off("Identity is off (development mode), so there are no API keys: start with --auth.")
	if a.APIKeys != nil {
		keys = named(a.APIKeys(noting{a.Authenticator}))
	}
	mux.Handle("/apikeys", keys)
	mux.Handle("/apikeys/{id}", keys)
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
