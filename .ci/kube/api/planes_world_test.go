package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/mtls"
	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
	"github.com/mooring-mcp/mooring/envoy/bootstrap"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// planesHost is the name of the control planes.
const planesHost = "xds.mooring.test"

// world is an Envoy with its external processor, and control planes that are not
// there until they are started. Pods are servers of this process.
type world struct {
	t         *testing.T
	dir       string
	namespace string
	// envoyTLS and planeTLS are the folders of certificates.
	envoyTLS, planeTLS string
	names              names
	// addresses are those of the control planes; ads, api and ops their ports.
	addresses     [2]string
	ads, api, ops int
	// envoyOps is the port of Envoy's operations listener.
	envoyOps int
	envoy    *envoytest.Envoy
	gateway  *harness.Mooring
	nextPod  int
	changes  int
}

// newWorld has an Envoy that is told of the control planes of those numbers, and of
// all where there are none.
func newWorld(t *testing.T, known ...int) *world {
	t.Helper()
	w := &world{t: t, dir: envoytest.SocketDir(t), namespace: newNamespace(t), envoyTLS: t.TempDir(), planeTLS: t.TempDir()}
	w.ads, w.api, w.ops, w.envoyOps = envoytest.FreePort(t), envoytest.FreePort(t), envoytest.FreePort(t), envoytest.FreePort(t)
	// The whole network 127/8 is of this machine.
	net := rand.IntN(200) + 20
	for i := range w.addresses {
		w.addresses[i] = fmt.Sprintf("127.%d.1.%d", net, i+1)
	}
	w.nextPod = net << 8
	if len(known) == 0 {
		known = []int{0, 1}
	}
	for _, number := range known {
		w.names.add(w.addresses[number])
	}
	w.certify(mtlstest.NewAuthority(t))
	w.write("settings.yaml", settingsText)
	w.writeKubeconfig()
	w.build()
	if _, err := keys.Generate(w.path("session-keys")); err != nil {
		t.Fatal(err)
	}
	w.gateway = harness.Attach(t, envoytest.FreeAddress(t), &http.Transport{})
	w.start("extproc", "--socket", w.path("extproc.sock"), "--ops-socket", w.path("extproc-ops.sock"),
		"--session-keys", w.path("session-keys"), "--public-url", w.gateway.URL(""), "--listen", w.gateway.Listen)
	w.startEnvoy()
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// certify gives everybody certificates of the authority.
func (w *world) certify(a *mtlstest.Authority) {
	a.Write(w.planeTLS, append(w.addresses[:], planesHost)...)
	a.Write(w.envoyTLS)
}

func (w *world) writeKubeconfig() {
	w.t.Helper()
	from := rest.CopyConfig(server.config)
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: from.Host, CertificateAuthorityData: from.CAData}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{ClientCertificateData: from.CertData, ClientKeyData: from.KeyData}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	if err := clientcmd.WriteToFile(*config, w.path("kubeconfig")); err != nil {
		w.t.Fatal(err)
	}
}

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

// deploy makes an adapter through the gateway, and waits until it is reached.
func (w *world) deploy(name string, replicas int) {
	w.t.Helper()
	w.gateway.API(http.StatusCreated, http.MethodPost, "/adapters",
		fmt.Sprintf(`{"name":%q,"imageName":"registry.example/server","imageVersion":"1","replicaCount":%d}`, name, replicas))
	w.runPods(name, replicas)
	eventually(w.t, name+" is reached", func() bool {
		session, err := w.gateway.TryConnect(w.t.Context(), name, nil)
		return err == nil && session.Close() == nil
	})
}

// change changes something of the adapter that Envoy must know, and waits until it
// does.
func (w *world) change(name string) {
	w.t.Helper()
	before := w.updates()
	w.changes++
	eventually(w.t, "the API changes "+name, func() bool {
		answer, err := w.gateway.Do(http.MethodPatch, "/adapters/"+name, fmt.Sprintf(`{"requiredRoles":["role-%d"]}`, w.changes),
			"Content-Type", "application/merge-patch+json")
		return err == nil && answer.Status == http.StatusOK
	})
	eventually(w.t, "Envoy knows of the change", func() bool { return w.updates() != before })
}

// awaitCertificates waits until everybody who runs has those that were given out
// last.
func (w *world) awaitCertificates() {
	w.t.Helper()
	identity, err := mtls.Open(w.envoyTLS, logs)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, at := range w.addresses {
		eventually(w.t, "control plane "+at+" has its new certificate", func() bool {
			conn, err := tls.Dial("tcp", address(at, w.api), identity.Client(planesHost))
			return err == nil && conn.Close() == nil
		})
	}
	want := fmt.Sprintf("%q", identity.Expires().UTC().Format(time.RFC3339))
	eventually(w.t, "Envoy has its new certificate", func() bool {
		return strings.Contains(string(w.envoy.AdminGet("/certs")), want)
	})
}

// runPods runs a server for each replica of the adapter, and says so to
// Kubernetes. What its tool answers is the name of the pod.
func (w *world) runPods(name string, replicas int) {
	w.t.Helper()
	set := new(appsv1.StatefulSet)
	eventually(w.t, "stateful set of "+name, func() bool { return there(w.t, key(w.namespace, "mcp-"+name), set) })
	for ordinal := range replicas {
		p := pod(w.t, set, fmt.Sprint(ordinal))
		w.nextPod++
		at := fmt.Sprintf("127.%d.2.%d", w.nextPod>>8, w.nextPod&0xff)
		w.serveMCP(address(at, 8000), p.Name)
		// No slice may have such an address, and nobody looks at those.
		serveAt(w.t, p, at, fmt.Sprintf("10.82.0.%d", ordinal+1))
	}
}

// serveMCP is a server with one tool, which answers with the name.
func (w *world) serveMCP(at, name string) {
	w.t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		w.t.Fatal(err)
	}
	s := mcp.NewServer(&mcp.Implementation{Name: name, Version: "1.0.0"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "where"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name}}}, nil, nil
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil))
	h := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	w.t.Cleanup(func() {
		_ = h.Close()
		<-done
	})
}

// connected is the control plane that Envoy gets its configuration of, or -1.
func (w *world) connected() int {
	clusters := string(w.envoy.AdminGet("/clusters"))
	for i, at := range w.addresses {
		if strings.Contains(clusters, "mooring.internal.ads::"+address(at, w.ads)+"::rq_active::1\n") {
			return i
		}
	}
	return -1
}

// awaitConnected waits until that is the one.
func (w *world) awaitConnected(number int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("Envoy is connected to control plane %d", number), func() bool { return w.connected() == number })
}

// updates is how often Envoy was given another configuration.
func (w *world) updates() string {
	return string(w.envoy.AdminGet("/stats?filter=" + `cluster_manager.cluster_(added|modified|removed)|rds.mooring.public.config_reload$|listener_manager.listener_(added|modified)`))
}

// traffic calls a tool of the session again and again until stop, which says how
// often, how long the longest call took and what went wrong.
func (w *world) traffic(session *mcp.ClientSession, want string) (stop func() (calls int, longest time.Duration, err error)) {
	ctx, cancel := context.WithCancel(context.Background())
	var calls int
	var longest time.Duration
	var faults error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; calls++ {
			began := time.Now()
			got, err := harness.Call(context.Background(), session, "where", nil)
			longest = max(longest, time.Since(began))
			if err == nil && got != want {
				err = fmt.Errorf("%s answered, not %s", got, want)
			}
			faults = errors.Join(faults, err)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() (int, time.Duration, error) {
		cancel()
		<-done
		return calls, longest, faults
	}
}
