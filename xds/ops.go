package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/http/pprof"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
)

// opsHandler serves what only operators see.
func opsHandler(registry *prometheus.Registry, loop *snapshot.Loop, store adapters.Store, deployer adapters.Deployer, logs *logging.Log) http.Handler {
	mux := probesHandler(registry, loop)
	mux.Handle(logging.LevelPath, logs)
	mux.Handle("GET /metrics/adapters/{name}/{instance}", bridgeMetrics(store, deployer))
	mux.Handle("GET /sd", targets(store, deployer))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// probesHandler serves what may be seen on a network where nobody says who he is.
func probesHandler(registry *prometheus.Registry, loop *snapshot.Loop) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { ok(w) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := loop.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		ok(w)
	})
	return mux
}

// ok answers a probe. One that has gone needs no answer.
func ok(w io.Writer) { _, _ = io.WriteString(w, "ok\n") }

// bridgeMetrics serves the metrics of one replica's bridge.
func bridgeMetrics(store adapters.Store, deployer adapters.Deployer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := store.Get(r.Context(), r.PathValue("name"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		i, found := instanceOf(deployer.Instances()[a.ID], r.PathValue("instance"))
		if !found {
			http.NotFound(w, r)
			return
		}
		proxyMetrics(i.Address).ServeHTTP(w, r)
	})
}

// instanceOf is the instance with that id or ordinal. Of two with one ordinal
// it is the one that does not drain.
func instanceOf(list []adapters.Instance, name string) (adapters.Instance, bool) {
	byName := func(i adapters.Instance) bool { return i.ID == name || strconv.Itoa(i.Ordinal) == name }
	at := slices.IndexFunc(list, func(i adapters.Instance) bool {
		return byName(i) && i.State != adapters.InstanceDraining
	})
	if at < 0 {
		at = slices.IndexFunc(list, byName)
	}
	if at < 0 {
		return adapters.Instance{}, false
	}
	return list[at], true
}

// proxyMetrics fetches /metrics of a bridge. Scrapes are rare: no connection is
// kept.
func proxyMetrics(address string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.Path, r.Out.URL.RawQuery = "http", "bridge", "/metrics", ""
			r.Out.Host = "localhost"
		},
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				if strings.HasPrefix(address, "/") {
					return d.DialContext(ctx, "unix", address)
				}
				return d.DialContext(ctx, "tcp", address)
			},
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "the replica does not answer", http.StatusBadGateway)
		},
	}
}
