package api

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mooring-mcp/mooring/envoy/bootstrap"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

func (w *world) build() {
	w.t.Helper()
	command := exec.Command("go", "build", "-o", w.dir+"/", "./xds", "./extproc")
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		w.t.Fatalf("building the programs: %v\n%s", err, out)
	}
}

// start runs a program, which ends with the test. Its log shows when the test
// failed.
func (w *world) start(name string, args ...string) *exec.Cmd {
	w.t.Helper()
	log, err := os.CreateTemp(w.dir, name+"-*.log")
	if err != nil {
		w.t.Fatal(err)
	}
	command := exec.Command(w.path(name), args...)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		kill(command)
		if text, err := os.ReadFile(log.Name()); err == nil && w.t.Failed() {
			w.t.Logf("%s:\n%s", filepath.Base(log.Name()), text)
		}
		_ = log.Close()
	})
	return command
}

// kill ends the program, without giving it the time to say so, and waits.
func kill(command *exec.Cmd) {
	_ = command.Process.Signal(syscall.SIGKILL) // it may have ended
	_ = command.Wait()                          // as it was told to
}

// startPlane runs the control plane of that number and waits until it serves.
func (w *world) startPlane(number int) *exec.Cmd {
	w.t.Helper()
	at := w.addresses[number]
	command := w.start("xds", "kubernetes", "--namespace", w.namespace, "--kubeconfig", w.path("kubeconfig"), "--identity", at,
		"--settings", w.path("settings.yaml"), "--tls-dir", w.planeTLS, "--peers", address(w.addresses[1-number], w.ads), "--envoys", address("127.0.0.1", w.envoyOps),
		"--listen", w.gateway.Listen, "--ops-listen", address("127.0.0.1", w.envoyOps), "--public-url", w.gateway.URL(""),
		"--ads-listen", address(at, w.ads), "--api-listen", address(at, w.api), "--control-ops-listen", address(at, w.ops))
	eventually(w.t, "control plane "+at+" is ready", func() bool {
		res, err := http.Get("http://" + address(at, w.ops) + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return command
}

func address(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }

func (w *world) startEnvoy() {
	w.t.Helper()
	plane := &bootstrap.ControlPlane{
		Host: planesHost, ADSPort: uint32(w.ads), APIPort: uint32(w.api), OpsPort: uint32(w.ops),
		CertificateDir: w.envoyTLS, SecretsDir: w.dir,
	}
	files, err := plane.Secrets()
	if err != nil {
		w.t.Fatal(err)
	}
	for name, text := range files {
		w.write(name, string(text))
	}
	config, err := bootstrap.Build(bootstrap.Config{
		NodeID: "test", NodeCluster: "test", AdminSocket: w.path("admin.sock"), ExtProcSocket: w.path("extproc.sock"),
		ExtProcLogSocket: w.path("extproc.sock"), ExtProcOpsSocket: w.path("extproc-ops.sock"), ControlPlane: plane, MaxConnections: 1000,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.resolve(config)
	text, err := protojson.Marshal(config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.envoy = envoytest.Start(w.t, text, envoytest.AdminOnly())
}

// resolve makes Envoy ask the test for names.
func (w *world) resolve(config *bootstrapv3.Bootstrap) {
	w.t.Helper()
	resolver, err := anypb.New(&caresv3.CaresDnsResolverConfig{
		Resolvers: []*corev3.Address{{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(w.names.serve(w.t))},
		}}}},
		DnsResolverOptions: &corev3.DnsResolverOptions{NoDefaultSearchDomain: true},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	config.TypedDnsResolverConfig = &corev3.TypedExtensionConfig{Name: "envoy.network.dns_resolver.cares", TypedConfig: resolver}
}
