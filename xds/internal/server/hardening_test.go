package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// edge is what Envoy's guide for edge proxies asks of a connection manager, and
// what the design adds to it, as a running Envoy shows it.
var edge = map[string]any{
	"use_remote_address":                             true,
	"normalize_path":                                 true,
	"merge_slashes":                                  true,
	"path_with_escaped_slashes_action":               "REJECT_REQUEST",
	"server_name":                                    "mooring",
	"request_timeout":                                "60s",
	"request_headers_timeout":                        "10s",
	"stream_idle_timeout":                            "300s",
	"max_request_headers_kb":                         60.0,
	"common_http_protocol_options.idle_timeout":      "900s",
	"common_http_protocol_options.max_headers_count": 100.0,
	"common_http_protocol_options.headers_with_underscores_action": "REJECT_REQUEST",
	"http_protocol_options.allow_absolute_url":                     false,
	"http2_protocol_options.max_concurrent_streams":                100.0,
	"http2_protocol_options.initial_stream_window_size":            65536.0,
	"http2_protocol_options.initial_connection_window_size":        1048576.0,
	"http2_protocol_options.connection_keepalive.interval":         "60s",
	"http2_protocol_options.connection_keepalive.timeout":          "15s",
	// These are not there: what they would allow is not allowed.
	"upgrade_configs":      nil,
	"xff_num_trusted_hops": nil,
	"skip_xff_append":      nil,
}

// deadPeers is how a listener and a cluster find peers that are gone without a
// word: within two minutes.
var deadPeers = map[string]any{"keepalive_time": 60.0, "keepalive_interval": 15.0, "keepalive_probes": 4.0}

// TestEdgeSettings reads from a running Envoy what protects it from clients, and
// that nothing but their duration ends streams.
func TestEdgeSettings(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	var dump any
	if err := json.Unmarshal(g.envoy.ConfigDump(), &dump); err != nil {
		t.Fatal(err)
	}
	listeners, clusters, routes, bootstraps := 0, 0, 0, 0
	walk(dump, func(at map[string]any) {
		switch {
		case at["stat_prefix"] != nil && at["http_filters"] != nil:
			listeners++
			for path, want := range edge {
				if got := member(at, path); got != want {
					t.Errorf("listener %v: %s is %v, want %v", at["stat_prefix"], path, got, want)
				}
			}
			if member(at, "local_reply_config") == nil {
				t.Errorf("listener %v answers in plain text", at["stat_prefix"])
			}
		case at["filter_chains"] != nil:
			wantMember(t, at, "tcp_keepalive", deadPeers)
			wantMember(t, at, "per_connection_buffer_limit_bytes", 5242880.0)
		case at["name"] == "adapter/one" && at["connect_timeout"] != nil:
			clusters++
			wantMember(t, at, "upstream_connection_options.tcp_keepalive", deadPeers)
			wantMember(t, at, "circuit_breakers.thresholds.0.max_requests", 1024.0)
			wantMember(t, at, "circuit_breakers.thresholds.0.max_retries", 1024.0)
		case member(at, "route.cluster") == "adapter/one":
			routes++
			for path, want := range map[string]any{
				"route.timeout": "0s", "route.idle_timeout": "0s", "route.max_stream_duration.max_stream_duration": "3600s",
				// What no server has begun with is sent again, and nothing else.
				"route.retry_policy.retry_on": "connect-failure,reset-before-request,retriable-headers", "route.upgrade_configs": nil,
			} {
				wantMember(t, at, path, want)
			}
		case at["overload_manager"] != nil:
			bootstraps++
			wantOverload(t, at)
		}
	})
	if listeners != 2 || clusters != 1 || routes != 3 || bootstraps != 1 {
		t.Errorf("found %d listeners, %d clusters, %d routes, %d bootstraps", listeners, clusters, routes, bootstraps)
	}
}

func wantOverload(t *testing.T, bootstrap map[string]any) {
	t.Helper()
	wantMember(t, bootstrap, "admin.address.pipe.mode", 384.0)
	for path, want := range map[string]any{
		"resource_monitors.0.name": "envoy.resource_monitors.global_downstream_max_connections",
		"resource_monitors.0.typed_config.max_active_downstream_connections": "1000",
		"resource_monitors.1.name":                             "envoy.resource_monitors.fixed_heap",
		"resource_monitors.1.typed_config.max_heap_size_bytes": "1073741824",
		"actions.0.name":                                       "envoy.overload_actions.shrink_heap",
		"actions.0.triggers.0.threshold.value":                 0.95,
		"actions.1.name":                                       "envoy.overload_actions.stop_accepting_requests",
		"actions.1.triggers.0.threshold.value":                 0.98,
	} {
		wantMember(t, bootstrap, "overload_manager."+path, want)
	}
	runtime, err := json.Marshal(bootstrap["layered_runtime"])
	if err != nil || !strings.Contains(string(runtime), `"envoy.resource_limits.listener.mooring.public.connection_limit":1000`) {
		t.Errorf("runtime %s (%v) does not bound the listener's connections", runtime, err)
	}
}

// walk calls visit for each object in value.
func walk(value any, visit func(map[string]any)) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			walk(v, visit)
		}
	case map[string]any:
		visit(value)
		for _, v := range value {
			walk(v, visit)
		}
	}
}

// member is what lies at path, or nil.
func member(value any, path string) any {
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, ".")
		switch at := value.(type) {
		case map[string]any:
			value = at[name]
		case []any:
			if i := int(name[0] - '0'); i < len(at) {
				value = at[i]
				continue
			}
			return nil
		default:
			return nil
		}
	}
	return value
}

func wantMember(t *testing.T, value any, path string, want any) {
	t.Helper()
	if diff := cmp.Diff(want, member(value, path)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestConnectionLimit holds that a connection too many is closed, and that the
// next has room once another has ended.
func TestConnectionLimit(t *testing.T) {
	const most = 8
	g := newGateway(t, nil)
	g.connections = most
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", g.listen)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	var open []net.Conn
	g.await("all connections are in use", func() bool {
		conn := dial()
		if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			open = append(open, conn)
			return false
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
			t.Fatal(err)
		}
		return true
	})
	if len(open) > most {
		t.Errorf("%d connections are open", len(open))
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	g.await("there is room again", func() bool {
		res, err := g.client.Get("http://" + g.listen + "/adapters")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == 200
	})
}
