package chart_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/kube"
	"github.com/mooring-mcp/mooring/adapters/policy"
)

// host is what Envoy calls the control plane by in the default installation.
const host = "mooring-xds.gateway.svc.cluster.local"

// TestProgramsReadIt: the programs take each file that the chart writes for them.
func TestProgramsReadIt(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			for _, o := range objects(t, mustRender(t, "--values", values, "--skip-crds")) {
				if kind := o.GetKind(); kind != "ConfigMap" && kind != "Secret" {
					continue
				}
				dir := files(t, o)
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					if err := readable(filepath.Join(dir, e.Name())); err != nil {
						t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
					}
				}
			}
		})
	}
}

// readable reads the file with what the programs read it with.
func readable(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch filepath.Base(path) {
	case "settings.yaml":
		_, err = kube.LoadSettings(path)
	case "auth.yaml":
		_, err = authn.ParseConfig(text)
	case "policy.yaml":
		_, err = policy.Parse(text)
	}
	if filepath.Ext(path) == keys.Extension {
		_, err = keys.Open(keys.Session, filepath.Dir(path), slog.New(slog.DiscardHandler))
	}
	return err
}

// TestAdministratorsKey: the key that is shown to who installs is one that the
// programs accept.
func TestAdministratorsKey(t *testing.T) {
	all := objects(t, mustRender(t))
	key, err := os.ReadFile(filepath.Join(files(t, find(t, all, "Secret", "mooring-admin-key")), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ring := apikeys.NewKeyring(filepath.Join(files(t, find(t, all, "Secret", "mooring-api-keys")), "apikeys.json"), nil)
	who, err := ring.CheckKey(string(key))
	if err != nil || !slices.Equal(who.Roles, []string{"mcp.admin"}) {
		t.Errorf("%+v, error %v", who, err)
	}
	again, err := os.ReadFile(filepath.Join(files(t, find(t, objects(t, mustRender(t)), "Secret", "mooring-admin-key")), "key"))
	if err != nil || string(again) == string(key) {
		t.Errorf("two installations have the same key, error %v", err)
	}
}

// TestCertificates: Envoy and the control plane accept each other, and nobody else.
func TestCertificates(t *testing.T) {
	all := objects(t, mustRender(t))
	server, authority := certificate(t, files(t, find(t, all, "Secret", "mooring-xds-tls")))
	client, known := certificate(t, files(t, find(t, all, "Secret", "mooring-envoy-tls")))
	stranger, _ := certificate(t, files(t, find(t, objects(t, mustRender(t)), "Secret", "mooring-envoy-tls")))
	accepting := &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: authority, ClientAuth: tls.RequireAndVerifyClientCert}
	for name, tt := range map[string]struct {
		certificate tls.Certificate
		host        string
		want        bool
	}{
		"Envoy":         {client, host, true},
		"another name":  {client, "mooring-xds.other.svc.cluster.local", false},
		"a stranger":    {stranger, host, false},
		"no credential": {tls.Certificate{}, host, false},
	} {
		config := &tls.Config{Certificates: []tls.Certificate{tt.certificate}, RootCAs: known, ServerName: tt.host}
		if err := handshake(accepting, config); (err == nil) != tt.want {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func certificate(t *testing.T, dir string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("no authority")
	}
	return pair, pool
}

// handshake is the error of either side.
func handshake(server, client *tls.Config) error {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	accepted := make(chan error, 1)
	go func() {
		s := tls.Server(a, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte{0})
		}
		accepted <- errors.Join(err, a.Close())
	}()
	// The client learns of a refusal when it reads.
	_, err := io.ReadFull(tls.Client(b, client), make([]byte, 1))
	return errors.Join(err, b.Close(), <-accepted)
}

// TestEnvoyTakesIt: the real Envoy, with the arguments of the pod.
func TestEnvoyTakesIt(t *testing.T) {
	all := objects(t, mustRender(t))
	bootstrap := files(t, find(t, all, "ConfigMap", "mooring-envoy-bootstrap"))
	certificates := files(t, find(t, all, "Secret", "mooring-envoy-tls"))
	for _, name := range []string{"bootstrap.yaml", "authority.yaml", "certificate.yaml"} {
		path := filepath.Join(bootstrap, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if left := regexp.MustCompile(`@[A-Z_]+@`).Find(text); left != nil {
			t.Errorf("%s: %s is left", name, left)
		}
		moved := strings.NewReplacer("/etc/mooring/envoy", bootstrap, "/etc/mooring/tls", certificates, "/run/mooring", t.TempDir()).Replace(string(text))
		if err := os.WriteFile(path, []byte(moved), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--mode", "validate"}
	for _, arg := range container(t, find(t, all, "Deployment", "mooring-envoy"), "initContainers", "envoy") {
		args = append(args, strings.ReplaceAll(arg, "/etc/mooring/envoy", bootstrap))
	}
	if out, err := exec.Command("../../.tools/bin/envoy", args...).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// container is the arguments of a container of the pods of a Deployment.
func container(t *testing.T, deployment object, list, name string) []string {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", list)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		if c := c.(map[string]any); c["name"] == name {
			args, _, err := unstructured.NestedStringSlice(c, "args")
			if err != nil {
				t.Fatal(err)
			}
			return args
		}
	}
	t.Fatalf("%s has no container %s", deployment.GetName(), name)
	return nil
}

// TestFlagsExist: each flag of the containers is on the page of settings, which
// is held equal to what the programs take.
func TestFlagsExist(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		sections[title] = text
	}
	for name, values := range cases(t) {
		all := objects(t, mustRender(t, "--values", values))
		for component, program := range map[string]string{"envoy": "extproc", "xds": "xds kubernetes"} {
			for _, o := range all {
				if o.GetKind() != "Deployment" || o.GetLabels()["app.kubernetes.io/component"] != component {
					continue
				}
				container := container(t, o, "containers", strings.Fields(program)[0])
				for _, arg := range container[1:] {
					flag, _, _ := strings.Cut(arg, "=")
					if !strings.Contains(sections[program], "`"+flag+"`") {
						t.Errorf("%s: %s: %s is not on the page", name, program, flag)
					}
				}
			}
		}
	}
}
