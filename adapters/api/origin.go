package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// AllowedFrom is what Config.AllowedHosts and AllowedOrigins are for a gateway
// that the world knows by publicURL and that listens at listen (host:port): the
// public name, the address that it listens at, and where that takes in
// loopback, this machine's names for itself. Envoy answers the same.
func AllowedFrom(publicURL, listen string) (hosts, origins []string, err error) {
	public, err := url.Parse(publicURL)
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" {
		return nil, nil, fmt.Errorf("public URL %q: it must be http:// or https:// and a host", publicURL)
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, nil, fmt.Errorf("listen address %q: %w", listen, err)
	}
	add := func(scheme, host, port string) {
		withPort, bare := net.JoinHostPort(host, port), host
		if strings.Contains(host, ":") {
			bare = "[" + host + "]"
		}
		hosts, origins = append(hosts, withPort), append(origins, scheme+"://"+withPort)
		if port == defaultPort(scheme) {
			hosts, origins = append(hosts, bare), append(origins, scheme+"://"+bare)
		}
	}
	publicPort := public.Port()
	if publicPort == "" {
		publicPort = defaultPort(public.Scheme)
	}
	add(public.Scheme, public.Hostname(), publicPort)
	addr, err := netip.ParseAddr(host)
	if err == nil && !addr.IsUnspecified() {
		add("http", host, port)
	}
	if host == "" || host == "localhost" || err == nil && (addr.IsLoopback() || addr.IsUnspecified()) {
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			add("http", name, port)
		}
	}
	return hosts, origins, nil
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

func lowerSet(values []string) map[string]bool {
	set := map[string]bool{}
	for _, value := range values {
		set[strings.ToLower(value)] = true
	}
	return set
}

// guarded refuses what a web page of another origin could send, by DNS
// rebinding or otherwise: this API starts programs. Paths are not cleaned up
// but refused, so that no two parts can read one differently. Health says
// nothing worth guarding, and those who probe it have no name for the gateway.
func (a *api) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		callOf(r).jsonRPC = isMCP(r.URL.Path)
		health := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
		if p := a.foreign(r); p != nil && !health {
			a.fail(w, r, p)
			return
		}
		if p := a.unaudited(r); p != nil {
			a.fail(w, r, p)
			return
		}
		if r.Method == http.MethodConnect || path.Clean(r.URL.Path) != r.URL.Path {
			a.fail(w, r, &problem{status: http.StatusNotFound, detail: "There is nothing at this path."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// foreign says why the request cannot be from one who means this gateway, or
// nil.
func (a *api) foreign(r *http.Request) *problem {
	if !a.hosts[strings.ToLower(r.Host)] {
		return &problem{status: http.StatusMisdirectedRequest, detail: "The gateway is not known by the name in the Host header."}
	}
	if isDiscovery(r.URL.Path) {
		return nil
	}
	origins := r.Header.Values("Origin")
	for _, origin := range origins {
		if !a.origins[strings.ToLower(origin)] {
			return &problem{status: http.StatusForbidden, detail: "Pages of this origin may not call the gateway."}
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); len(origins) == 0 && (site == "cross-site" || site == "same-site") {
		return &problem{status: http.StatusForbidden, detail: "Pages of other sites may not call the gateway."}
	}
	return nil
}
