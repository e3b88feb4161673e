package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/mooring-mcp/mooring/envoy/internal/process"
)

// startPlain starts an Envoy that only forwards, with a listener for each of
// the upstreams, which are addresses or Unix sockets, and returns where.
func (s *stage) startPlain(upstreams ...string) (part, []string, error) {
	var listeners, clusters strings.Builder
	var addresses []string
	for i, upstream := range upstreams {
		address, err := freeAddress()
		if err != nil {
			return part{}, nil, err
		}
		addresses = append(addresses, address)
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return part{}, nil, fmt.Errorf("starting Envoy: %w", err)
		}
		name := fmt.Sprintf("upstream%d", i)
		at := fmt.Sprintf("pipe: {path: %s}", upstream)
		if host, port, err := net.SplitHostPort(upstream); err == nil {
			at = fmt.Sprintf("socket_address: {address: %s, port_value: %s}", host, port)
		}
		fmt.Fprintf(&listeners, listenerConfig, port, name)
		fmt.Fprintf(&clusters, clusterConfig, name, at)
	}
	path, err := s.write("plain.yaml", "static_resources:\n  listeners:\n"+listeners.String()+"  clusters:\n"+clusters.String())
	if err != nil {
		return part{}, nil, err
	}
	p, err := s.start("plain", exec.Command(s.cfg.Envoy, "--config-path", path, "--disable-hot-restart", "--log-level", "warning"))
	if err != nil {
		return part{}, nil, err
	}
	return part{"envoy", p.PID()}, addresses, nil
}

const (
	listenerConfig = `  - address: {socket_address: {address: 127.0.0.1, port_value: %s}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: plain
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: %s, timeout: 0s}}]}]}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
`
	clusterConfig = `  - name: %[1]s
    type: STATIC
    load_assignment: {cluster_name: %[1]s, endpoints: [{lb_endpoints: [{endpoint: {address: {%[2]s}}}]}]}
`
)

// startBridge starts a bridge to the server.
func (s *stage) startBridge() (*process.Process, string, error) {
	socket := s.path("bridge.sock")
	cmd := exec.Command(s.program("bridge"), "--listen", "unix:"+socket, "--allow-loopback")
	cmd.Env = append(os.Environ(), "MCP_PROXY_URL=http://"+s.backend.addr()+"/mcp")
	p, err := s.start("bridge", cmd)
	return p, socket, err
}
