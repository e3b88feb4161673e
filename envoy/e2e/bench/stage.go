package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mooring-mcp/mooring/envoy/internal/process"
)

// The names of the ways that others are compared with.
const (
	wayEnvoy       = "envoy"
	wayEnvoyBridge = "envoy+bridge"
)

const startTimeout = 30 * time.Second

// way is one way from the client to the server.
type way struct {
	name, what, url string
	pids            []int
}

// processes are those whose CPU time counts.
func (w way) processes() []int { return w.pids }

// stage runs what is between client and server.
type stage struct {
	cfg     Config
	dir     string
	started []*process.Process
}

func newStage(cfg Config) (*stage, error) {
	dir, err := os.MkdirTemp("", "mooring-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	return &stage{cfg: cfg, dir: dir}, nil
}

// close ends all that was started, the newest first.
func (s *stage) close() {
	for i := len(s.started) - 1; i >= 0; i-- {
		p := s.started[i]
		p.Signal(syscall.SIGINT)
		select {
		case <-p.Done():
		case <-time.After(startTimeout):
			p.KillGroup()
			<-p.Done()
		}
	}
	_ = os.RemoveAll(s.dir) // it is in the folder for temporary files
}

// start starts a program whose output goes to a file of that name.
func (s *stage) start(name string, cmd *exec.Cmd) (*process.Process, error) {
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	p, err := process.Start(cmd, syscall.SIGTERM)
	if err == nil {
		s.started = append(s.started, p)
	}
	return p, err
}

// ways starts everything.
func (s *stage) ways(ctx context.Context, backend string) ([]way, error) {
	bridge, socket, err := s.startBridge(backend)
	if err != nil {
		return nil, err
	}
	plain, ports, err := s.startEnvoy(backend, socket)
	if err != nil {
		return nil, err
	}
	gateway, address, err := s.startMooring(ctx, backend)
	if err != nil {
		return nil, err
	}
	ways := []way{
		{"direct", "client -> server", "http://" + backend + "/mcp", nil},
		{wayEnvoy, "client -> [Envoy] -> server", fmt.Sprintf("http://127.0.0.1:%d/mcp", ports[0]), []int{plain.PID()}},
		{wayEnvoyBridge, "client -> [Envoy -> bridge] -> server", fmt.Sprintf("http://127.0.0.1:%d/mcp", ports[1]), []int{plain.PID(), bridge.PID()}},
		{"mooring", "client -> [Envoy, extproc -> bridge] -> server; an adapter with MCP_PROXY_URL", "http://" + address + "/adapters/bench/mcp", nil},
	}
	gatewayWay := &ways[len(ways)-1]
	for _, w := range ways {
		if err := await(ctx, w); err != nil {
			return nil, err
		}
	}
	// Only now all of the gateway's processes are there, the bridge included.
	gatewayWay.pids, err = gatewayProcesses(gateway.PID())
	return ways, err
}

// gatewayProcesses are the launcher and what it and its parts run.
func gatewayProcesses(launcher int) ([]int, error) {
	pids, err := childrenOf(launcher)
	if err != nil {
		return nil, err
	}
	programs := map[string]bool{}
	for _, pid := range pids {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil {
			return nil, fmt.Errorf("finding the gateway's processes: %w", err)
		}
		programs[filepath.Base(path)] = true
	}
	for _, name := range []string{"envoy", "extproc", "xds", "bridge"} {
		if !programs[name] {
			return nil, fmt.Errorf("finding the gateway's processes: no %s among %v", name, programs)
		}
	}
	return append(pids, launcher), nil
}

func (s *stage) startBridge(backend string) (*process.Process, string, error) {
	socket := filepath.Join(s.dir, "bridge.sock")
	cmd := exec.Command(filepath.Join(s.cfg.Programs, "bridge"), "--listen", "unix:"+socket, "--allow-loopback")
	cmd.Env = append(os.Environ(), "MCP_PROXY_URL=http://"+backend+"/mcp")
	p, err := s.start("bridge", cmd)
	return p, socket, err
}

func (s *stage) startEnvoy(backend, socket string) (*process.Process, [2]int, error) {
	var ports [2]int
	for i := range ports {
		port, err := freePort()
		if err != nil {
			return nil, ports, err
		}
		ports[i] = port
	}
	host, port, err := net.SplitHostPort(backend)
	if err != nil {
		return nil, ports, err
	}
	config := fmt.Sprintf("static_resources:\n  listeners:\n%s%s  clusters:\n%s%s",
		fmt.Sprintf(listenerConfig, ports[0], "server"), fmt.Sprintf(listenerConfig, ports[1], "bridge"),
		fmt.Sprintf(clusterConfig, "server", fmt.Sprintf("socket_address: {address: %s, port_value: %s}", host, port)),
		fmt.Sprintf(clusterConfig, "bridge", fmt.Sprintf("pipe: {path: %s}", socket)))
	path := filepath.Join(s.dir, "envoy.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, ports, fmt.Errorf("writing Envoy's configuration: %w", err)
	}
	p, err := s.start("envoy", exec.Command(s.cfg.Envoy, "--config-path", path, "--disable-hot-restart", "--log-level", "warning"))
	return p, ports, err
}

const (
	listenerConfig = `  - address: {socket_address: {address: 127.0.0.1, port_value: %d}}
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

// startMooring starts the launcher and posts the adapter.
func (s *stage) startMooring(ctx context.Context, backend string) (*process.Process, string, error) {
	var addresses [2]string
	for i := range addresses {
		port, err := freePort()
		if err != nil {
			return nil, "", err
		}
		addresses[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	p, err := s.start("mooring", exec.Command(filepath.Join(s.cfg.Programs, "mooring"), "--state", filepath.Join(s.dir, "state"),
		"--envoy", s.cfg.Envoy, "--listen", addresses[0], "--ops-listen", addresses[1], "--log-level", "warn"))
	if err != nil {
		return nil, "", err
	}
	adapter := fmt.Sprintf(`{"name":"bench","imageName":"mcp-proxy","imageVersion":"1.0.0","environmentVariables":{"MCP_PROXY_URL":"http://%s/mcp"}}`, backend)
	err = eventually(ctx, "posting the adapter", func() error {
		res, err := http.Post("http://"+addresses[0]+"/adapters", "application/json", strings.NewReader(adapter))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			text, _ := io.ReadAll(res.Body)
			return fmt.Errorf("status %d: %s", res.StatusCode, bytes.TrimSpace(text))
		}
		return nil
	})
	return p, addresses[0], err
}

// await returns once the way leads to the server.
func await(ctx context.Context, w way) error {
	return eventually(ctx, w.name, func() error {
		c := &client{http: &http.Client{Timeout: 5 * time.Second}, url: w.url, text: "ready"}
		if err := c.initialize(ctx); err != nil {
			return err
		}
		_, err := c.call(ctx)
		return err
	})
}

// eventually tries until there is no error.
func eventually(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), err))
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
