package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"

	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/bootstrap"
)

// gateway is Mooring's data path, Envoy and extproc, in front of the server,
// with no bridge between.
type gateway struct {
	address, token string
	parts          []part
	// ops is the socket of extproc's profiles, and admin that of Envoy's own.
	ops, admin string
}

// observing is what a gateway tells of its requests.
type observing struct {
	// lines makes extproc write a line for each request.
	lines bool
	// traces is where spans are sent, of one in a hundred requests. Empty means the
	// environment's choice.
	traces string
}

// extProc are those of the external processor.
func (o observing) extProc(s *stage, name string) []string {
	if o.lines {
		return []string{"--access-log", s.path(name + "-access.log")}
	}
	return nil
}

// environment is that of all parts. Nil means the process's own.
func (o observing) environment() []string {
	if o.traces == "" {
		return nil
	}
	return append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+o.traces, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.01")
}

// told is the key of Envoy's runtime that turns off what all else is made of.
const told = "mooring.bench.told"

// changeable is a bootstrap whose Envoy's runtime can be changed, which Mooring's
// cannot.
func changeable(bootstrap []byte) ([]byte, error) {
	var config map[string]any
	if err := yaml.Unmarshal(bootstrap, &config); err != nil {
		return nil, fmt.Errorf("reading the bootstrap: %w", err)
	}
	runtime, _ := config["layered_runtime"].(map[string]any)
	layers, ok := runtime["layers"].([]any)
	if !ok {
		return nil, errors.New("the bootstrap has no runtime")
	}
	runtime["layers"] = append(layers, map[string]any{"name": "admin", "admin_layer": map[string]any{}})
	return json.Marshal(config)
}

// tell turns on or off that anybody is told of requests. What it cannot turn off
// is that the external processor chooses which of those that it judges are
// recorded.
func (g *gateway) tell(ctx context.Context, on bool) error {
	value := ""
	if !on {
		value = "0"
	}
	client := clientOf(g.admin)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://envoy/runtime_modify?"+told+"="+value, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("changing Envoy's runtime: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("changing Envoy's runtime: status %d", res.StatusCode)
	}
	return nil
}

// startGateway starts one for the adapters, which tells of its requests what o
// says. It takes the name for its files.
func (s *stage) startGateway(name string, issuer *issuer, specs []adapters.Spec, o observing) (*gateway, error) {
	token, err := issuer.token()
	if err != nil {
		return nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	opsListen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	socket := func(part string) string { return s.path(name + "-" + part + ".sock") }
	extProc, err := s.startExtProc(name, issuer, listen, socket, o)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(specs)
	if err != nil {
		return nil, fmt.Errorf("writing adapters: %w", err)
	}
	path, err := s.write(name+"-adapters.json", string(text))
	if err != nil {
		return nil, err
	}
	plane := exec.Command(s.cfg.Plane,
		"--adapters", path, "--auth", s.path(name+"-auth.yaml"),
		"--session-jwks", s.path(name+"-session.jwks"), "--endpoint", s.backend.addr(),
		"--ads-socket", socket("ads"), "--listen", listen, "--ops-listen", opsListen, "--told", told)
	plane.Env = o.environment()
	if _, err := s.start(name+"-plane", plane); err != nil {
		return nil, err
	}
	config, err := bootstrap.Render(bootstrap.Config{
		NodeID: "mooring", NodeCluster: "mooring", AdminSocket: socket("admin"), ADSSocket: socket("ads"),
		APISocket: socket("api"), XDSOpsSocket: socket("xds-ops"),
		ExtProcSocket: socket("extproc"), ExtProcLogSocket: socket("extproc"), ExtProcOpsSocket: socket("extproc-ops"), MaxConnections: 10_000,
	})
	if err != nil {
		return nil, err
	}
	if config, err = changeable(config); err != nil {
		return nil, err
	}
	if path, err = s.write(name+"-envoy.json", string(config)); err != nil {
		return nil, err
	}
	p, err := s.start(name+"-envoy", exec.Command(s.cfg.Envoy, "--config-path", path, "--disable-hot-restart", "--log-level", "warning"))
	if err != nil {
		return nil, err
	}
	return &gateway{
		address: listen, token: token, parts: []part{{"envoy", p.PID()}, extProc}, ops: socket("extproc-ops"), admin: socket("admin"),
	}, nil
}

func (s *stage) startExtProc(name string, issuer *issuer, listen string, socket func(string) string, o observing) (part, error) {
	auth, err := s.write(name+"-auth.yaml", issuer.config())
	if err != nil {
		return part{}, err
	}
	keys := s.path(name + "-keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		return part{}, fmt.Errorf("preparing: %w", err)
	}
	if out, err := exec.Command(s.program("extproc"), "make-key", "--session-keys", keys).CombinedOutput(); err != nil {
		return part{}, fmt.Errorf("making a session key: %w: %s", err, out)
	}
	cmd := exec.Command(s.program("extproc"), append([]string{"--socket", socket("extproc"), "--ops-socket", socket("extproc-ops"),
		"--session-keys", keys, "--session-jwks", s.path(name + "-session.jwks"), "--public-url", "http://" + listen, "--listen", listen,
		"--auth", auth, "--api-keys", s.path(name + "-api-keys"), "--log-level", "warn"}, o.extProc(s, name)...)...)
	cmd.Env = o.environment()
	p, err := s.start(name+"-extproc", cmd)
	if err != nil {
		return part{}, err
	}
	return part{"extproc", p.PID()}, nil
}

// way is that to one of the adapters.
func (g *gateway) way(name, what, adapter string) way {
	return way{name: name, what: what, url: "http://" + g.address + endpoint(adapter), token: g.token, parts: g.parts}
}

func endpoint(adapter string) string { return "/adapters/" + adapter + "/mcp" }

// spec is an adapter that callers may use.
func spec(name string) adapters.Spec {
	return adapters.Spec{
		Name: name, ImageName: "bench", ImageVersion: "1", ReplicaCount: 1, RequiredRoles: []string{role},
	}
}
