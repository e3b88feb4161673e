// Package api is HTTP for /adapters: it decodes strictly, authorises, calls an
// adapters.Service and encodes the answer. It is the one place where an error
// becomes an HTTP status. It knows neither how adapters are kept nor what runs
// them.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/policy"
)

// Authenticator finds out who calls. It is safe for use by several goroutines.
type Authenticator interface {
	// Authenticate returns the principal that the credentials in h prove. An
	// error with the methods Challenge() string and Status() int is a refusal:
	// its text is fit for the client, and the challenge, unless it is empty,
	// becomes WWW-Authenticate. Any other error says that the credentials could
	// not be judged.
	Authenticate(ctx context.Context, h http.Header) (adapters.Principal, error)
}

// Config is what the API works with.
type Config struct {
	// Service does the work. Required.
	Service *adapters.Service
	// Authenticator finds out who calls. Required. Where it has a method
	// ForAdapter, as authn.Gate does, the endpoints of adapters ask that.
	Authenticator Authenticator
	// Discovery serves the paths under /.well-known/oauth- and /oauth2/ to
	// everybody, as authn.Gate's Handler does. Nil, in development mode, means
	// that there is nothing: 404.
	Discovery http.Handler
	// APIKeys makes what serves /apikeys and /apikeys/{id}, as apikeys.Handler
	// does; the Authenticator is the one to use there. Nil, in development mode,
	// means that there are no keys: 404.
	APIKeys func(Authenticator) http.Handler
	// IdentityKeys are the keys that verify what tells servers who calls, as a
	// JSON Web Key Set, public halves alone. Nil means that there are none: 404.
	IdentityKeys func() ([]byte, error)
	// Audit keeps what was done and refused. Nil means that nobody does.
	Audit Auditor
	// Log gets one line for each request. Required.
	Log *slog.Logger
	// AllowedHosts are the values of the Host header that are served, port
	// included where it is not the scheme's own. None means that nothing is,
	// but health. See AllowedFrom.
	AllowedHosts []string
	// AllowedOrigins are the origins whose pages may call: scheme://host[:port].
	// None means that no page may.
	AllowedOrigins []string
	// MaxBodyBytes bounds the body of a request, and the JSON of an adapter
	// that a patch makes. Zero means 1 MiB.
	MaxBodyBytes int64
	// MaxWait bounds what a client may ask for with ?wait=. Zero means 1 min.
	MaxWait time.Duration
	// Policy is what the operator allows at the moment. Nil means the default.
	Policy func() policy.Settings
	// Ready answers why the program cannot serve yet. Nil means that it always
	// can.
	Ready func() error
}

// api serves what Config describes.
type api struct {
	Config
	hosts, origins map[string]bool
	openAPI        []byte
}

// New is the handler of the API. It panics where something required is
// missing, which is a mistake of the program.
func New(cfg Config) http.Handler {
	if cfg.Service == nil || cfg.Authenticator == nil || cfg.Log == nil {
		panic("api: a service, an authenticator and a log are required")
	}
	if cfg.MaxBodyBytes <= 0 {
		cfg.MaxBodyBytes = 1 << 20
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = time.Minute
	}
	if cfg.Policy == nil {
		cfg.Policy = func() policy.Settings { return policy.Settings{} }
	}
	if cfg.Ready == nil {
		cfg.Ready = func() error { return nil }
	}
	a := &api{
		Config:  cfg,
		hosts:   lowerSet(cfg.AllowedHosts),
		origins: lowerSet(cfg.AllowedOrigins),
		openAPI: openAPIDocument(),
	}
	return a.recorded(a.guarded(a.routes()))
}

// endpoint handles one method of one path for an authenticated principal. What
// it returns as an error becomes the answer; it must not have written then.
type endpoint func(w http.ResponseWriter, r *http.Request, p adapters.Principal) error

// routes is everything that the API serves, by path. Methods are told apart
// here and not by the ServeMux, whose 405 comes before the 401 and as text.
func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/adapters", a.authenticated(map[string]endpoint{
		http.MethodGet: a.list, http.MethodPost: a.create,
	}))
	mux.Handle("/adapters/{name}", a.authenticated(map[string]endpoint{
		http.MethodGet: a.get, http.MethodPut: a.put, http.MethodPatch: a.patch, http.MethodDelete: a.delete,
	}))
	mux.Handle("/adapters/{name}/status", a.authenticated(map[string]endpoint{http.MethodGet: a.status}))
	mux.Handle("/adapters/{name}/logs", a.authenticated(map[string]endpoint{http.MethodGet: a.logs}))
	mux.Handle("/adapters/{name}/mcp", a.mcpFallback())
	mux.Handle("/adapters/{name}/mcp/{rest...}", a.mcpFallback())
	a.addIdentity(mux)
	mux.Handle("/healthz", a.open(a.healthz))
	mux.Handle("/readyz", a.open(a.readyz))
	mux.Handle("/openapi.json", a.open(a.openapi))
	a.addDocs(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, &problem{status: http.StatusNotFound, detail: "There is nothing at this path. /docs shows what there is."})
	})
	return mux
}
