package apikeys

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/logging"
)

const (
	// DefaultLifetime is what Config.Lifetime means when it is zero.
	DefaultLifetime = 90 * 24 * time.Hour
	// DefaultMaxLifetime is what Config.MaxLifetime means when it is zero.
	DefaultMaxLifetime = 366 * 24 * time.Hour
)

// Config is what the API works with.
type Config struct {
	// Store keeps the keys. Required.
	Store Store
	// Authenticator finds out who calls. Required.
	Authenticator authn.Authenticator
	// Log is told of keys that are made and revoked, and of errors. Required.
	Log *slog.Logger
	// ManagerRole is a role whose holders may make keys, though only with roles
	// that they hold, and see and revoke those that they made. Empty means
	// administrators only, who may do all of that with any key and role.
	ManagerRole string
	// Lifetime is how long a key lasts whose maker does not say. Zero means
	// DefaultLifetime.
	Lifetime time.Duration
	// MaxLifetime is the longest that a key can last. Zero means
	// DefaultMaxLifetime.
	MaxLifetime time.Duration
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// api serves what Config describes.
type api struct{ Config }

// Handler serves GET and POST of /apikeys, GET and DELETE of /apikeys/{id}. It
// authenticates, and does not look at Host or Origin: what it is mounted in does.
// It panics where something required is missing, which is a mistake of the
// program.
func Handler(cfg Config) http.Handler {
	if cfg.Store == nil || cfg.Authenticator == nil || cfg.Log == nil {
		panic("apikeys: a store, an authenticator and a log are required")
	}
	if cfg.Lifetime <= 0 {
		cfg.Lifetime = DefaultLifetime
	}
	if cfg.MaxLifetime <= 0 {
		cfg.MaxLifetime = DefaultMaxLifetime
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &api{cfg}
	mux := http.NewServeMux()
	mux.Handle("/apikeys", a.serve(map[string]endpoint{http.MethodGet: a.list, http.MethodPost: a.create}))
	mux.Handle("/apikeys/{id}", a.serve(map[string]endpoint{http.MethodGet: a.get, http.MethodDelete: a.revoke}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, &problem{status: http.StatusNotFound, detail: "There is nothing at this path."})
	})
	return mux
}

// view is a key as it is shown: without its hash, which is for nobody to see,
// and with its text to its maker, once.
type view struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`
	CreatedBy string    `json:"createdBy"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	Expired   bool      `json:"expired"`
	Key       string    `json:"key,omitempty"`
}

func (a *api) view(k Key) view {
	return view{
		ID: k.ID, Name: k.Name, Roles: append([]string{}, k.Roles...), CreatedBy: k.CreatedBy,
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, Expired: !a.Now().Before(k.ExpiresAt),
	}
}

func (a *api) create(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	wanted, err := readRequest(r)
	if err != nil {
		return err
	}
	now := a.Now().UTC().Truncate(time.Second)
	if wanted.expiresAt.IsZero() {
		wanted.expiresAt = now.Add(a.Lifetime)
	}
	if err := adapters.Invalid(wanted.faults(now, a.MaxLifetime)); err != nil {
		return err
	}
	if !p.Has(adapters.AdminRole) {
		for _, role := range wanted.roles {
			if !p.Has(role) {
				return &problem{status: http.StatusForbidden, detail: "A key can have no role that its maker lacks, unless that is an administrator."}
			}
		}
	}
	id, text := generate()
	key := Key{
		ID: id, Name: wanted.name, Roles: wanted.roles, CreatedBy: p.ID(),
		CreatedAt: now, ExpiresAt: wanted.expiresAt, Hash: hash(text),
	}
	if err := a.Store.Create(r.Context(), key); err != nil {
		return err
	}
	a.Log.Info("api key created", logging.RequestID, r.Header.Get(headerRequestID), "key_id", id, logging.Principal, p.Hash(), "expires_at", key.ExpiresAt)
	shown := a.view(key)
	shown.Key = text
	w.Header().Set("Location", "/apikeys/"+id)
	writeJSON(w, http.StatusCreated, "application/json", shown)
	return nil
}

func (a *api) list(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	keys, err := a.visible(r, p)
	if err != nil {
		return err
	}
	views := make([]view, len(keys))
	for i, key := range keys {
		views[i] = a.view(key)
	}
	writeJSON(w, http.StatusOK, "application/json", views)
	return nil
}

func (a *api) get(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	key, err := a.find(r, p)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, "application/json", a.view(key))
	return nil
}

func (a *api) revoke(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	key, err := a.find(r, p)
	if err != nil {
		return err
	}
	if err := a.Store.Delete(r.Context(), key.ID); err != nil {
		return err
	}
	a.Log.Info("api key revoked", logging.RequestID, r.Header.Get(headerRequestID), "key_id", key.ID, logging.Principal, p.Hash())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// visible are the keys that p may see and revoke.
func (a *api) visible(r *http.Request, p adapters.Principal) ([]Key, error) {
	keys, err := a.Store.List(r.Context())
	if err != nil || p.Has(adapters.AdminRole) {
		return keys, err
	}
	return slices.DeleteFunc(keys, func(k Key) bool { return k.CreatedBy != p.ID() }), nil
}

// find is the key that the path names, where p may see it. To all others it is
// unknown.
func (a *api) find(r *http.Request, p adapters.Principal) (Key, error) {
	keys, err := a.visible(r, p)
	if err != nil {
		return Key{}, err
	}
	at := slices.IndexFunc(keys, func(k Key) bool { return k.ID == r.PathValue("id") })
	if at < 0 {
		return Key{}, ErrNotFound
	}
	return keys[at], nil
}

// authorised reports whether p may manage keys at all.
func (a *api) authorised(p adapters.Principal) bool {
	return p.Has(adapters.AdminRole) || a.ManagerRole != "" && p.Has(a.ManagerRole)
}

// principal is who sent the request.
func (a *api) principal(r *http.Request) (adapters.Principal, error) {
	p, err := a.Authenticator.Authenticate(r.Context(), r.Header)
	if err == nil && p.ID() == "" {
		err = errors.New("the authenticator named nobody")
	}
	if err == nil && !a.authorised(p) {
		return p, &problem{status: http.StatusForbidden, detail: "Managing API keys takes an administrator."}
	}
	return p, err
}
