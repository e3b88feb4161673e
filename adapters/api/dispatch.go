package api

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
)

// authenticated serves a path by method: 401 comes first, 405 next.
func (a *api) authenticated(methods map[string]endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := principal(r, a.Authenticator)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		serve, err := choose(methods, r.Method)
		if err == nil {
			err = serve(w, r, p)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

// open serves a path for everybody, by GET.
func (a *api) open(serve endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve, err := choose(map[string]endpoint{http.MethodGet: serve}, r.Method)
		if err == nil {
			err = serve(w, r, adapters.Principal{})
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

// choose is the endpoint of the method. HEAD is GET, whose body net/http drops.
func choose(methods map[string]endpoint, method string) (endpoint, error) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if serve, found := methods[method]; found {
		return serve, nil
	}
	allowed := slices.Collect(maps.Keys(methods))
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	return nil, &problem{
		status: http.StatusMethodNotAllowed,
		detail: "This path takes only " + allow + ".",
		header: http.Header{"Allow": {allow}},
	}
}

// principal is who sent the request.
func principal(r *http.Request, authenticator Authenticator) (adapters.Principal, error) {
	p, err := authenticator.Authenticate(r.Context(), r.Header)
	if err == nil && p.ID() == "" {
		err = errors.New("the authenticator named nobody")
	}
	if err == nil {
		callOf(r).principal, callOf(r).who = p.Hash(), p.ID()
		return p, nil
	}
	var refusal interface {
		error
		Challenge() string
		Status() int
	}
	if !errors.As(err, &refusal) {
		return adapters.Principal{}, &problem{
			status: http.StatusServiceUnavailable,
			detail: "The credentials cannot be checked at the moment.",
			header: http.Header{"Retry-After": {"5"}},
			cause:  err,
		}
	}
	refused := &problem{status: refusal.Status(), detail: refusal.Error(), header: http.Header{}}
	if challenge := refusal.Challenge(); challenge != "" {
		refused.header.Set("Www-Authenticate", challenge)
	}
	if refused.status == http.StatusServiceUnavailable {
		refused.header.Set("Retry-After", "5")
	}
	return adapters.Principal{}, refused
}

// named is the adapter that the request's path names.
func (a *api) named(r *http.Request) (adapters.Adapter, error) {
	name := r.PathValue("name")
	if !adapters.ValidName(name) {
		return adapters.Adapter{}, adapters.ErrNotFound
	}
	return a.Service.Get(r.Context(), name)
}

// readable is the adapter that the path names, where p may read it.
func (a *api) readable(r *http.Request, p adapters.Principal) (adapters.Adapter, error) {
	found, err := a.named(r)
	if err != nil {
		return adapters.Adapter{}, err
	}
	if !found.Access().MayRead(p) {
		return adapters.Adapter{}, &problem{
			status: http.StatusForbidden,
			detail: "Reading this adapter takes its creator, a holder of one of its required roles, or an administrator.",
		}
	}
	return found, nil
}

// writable is like readable, for changing it.
func (a *api) writable(r *http.Request, p adapters.Principal) (adapters.Adapter, error) {
	found, err := a.named(r)
	if err != nil {
		return adapters.Adapter{}, err
	}
	return found, mayWrite(found, p)
}

func mayWrite(a adapters.Adapter, p adapters.Principal) error {
	if a.Access().MayWrite(p) {
		return nil
	}
	return &problem{
		status: http.StatusForbidden,
		detail: "Changing this adapter takes its creator or an administrator.",
	}
}
