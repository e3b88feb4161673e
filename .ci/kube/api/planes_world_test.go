package api

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/mtls"
	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
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
