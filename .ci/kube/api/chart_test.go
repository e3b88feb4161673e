package api

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// installation is the chart in a namespace of its own.
type installation struct {
	t         *testing.T
	namespace string
	helm      string
	config    string
}

func install(t *testing.T, args ...string) *installation {
	t.Helper()
	out, err := exec.Command("go", "tool", "-modfile="+filepath.Join(root, ".ci/chart/tools/go.mod"), "-n", "helm.sh/helm/v4/cmd/helm").Output()
	if err != nil {
		t.Fatalf("building helm: %v", err)
	}
	i := &installation{t: t, namespace: newNamespace(t), helm: strings.TrimSpace(string(out)), config: kubeconfig(t, server.config)}
	i.run(append([]string{"install", "mooring", filepath.Join(root, "charts/mooring"), "--skip-crds"}, args...)...)
	t.Cleanup(func() { i.run("uninstall", "mooring", "--ignore-not-found") })
	return i
}

func kubeconfig(t *testing.T, c *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"test": {Server: "https://" + strings.TrimPrefix(c.Host, "https://"), CertificateAuthorityData: c.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"test": {
			ClientCertificateData: c.CertData, ClientKeyData: c.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (i *installation) run(args ...string) {
	i.t.Helper()
	cmd := exec.Command(i.helm, append(args, "--namespace", i.namespace)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+i.config)
	if out, err := cmd.CombinedOutput(); err != nil {
		i.t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (i *installation) upgrade(args ...string) {
	i.t.Helper()
	i.run(append([]string{"upgrade", "mooring", filepath.Join(root, "charts/mooring"), "--skip-crds"}, args...)...)
}

// secrets are what all Secrets of the release hold, by their names.
func (i *installation) secrets() map[string]map[string][]byte {
	i.t.Helper()
	var list corev1.SecretList
	if err := server.admin.List(i.t.Context(), &list, client.InNamespace(i.namespace), client.MatchingLabels{"app.kubernetes.io/instance": "mooring"}); err != nil {
		i.t.Fatal(err)
	}
	all := map[string]map[string][]byte{}
	for _, s := range list.Items {
		all[s.Name] = s.Data
	}
	return all
}

// pods are the templates of the pods of both Deployments: a change rolls them.
func (i *installation) pods() map[string]corev1.PodTemplateSpec {
	i.t.Helper()
	all := map[string]corev1.PodTemplateSpec{}
	var list appsv1.DeploymentList
	if err := server.admin.List(i.t.Context(), &list, client.InNamespace(i.namespace)); err != nil {
		i.t.Fatal(err)
	}
	for _, d := range list.Items {
		all[d.Name] = d.Spec.Template
	}
	return all
}

// TestUpgradesKeepSecrets: what was made at the installation, and what the control
// plane has written since, is the same after an upgrade, and no pod is replaced
// that could have gone on.
func TestUpgradesKeepSecrets(t *testing.T) {
	i := install(t)
	made := i.secrets()
	if len(made) != 7 {
		t.Fatalf("%d Secrets", len(made))
	}
	// What the control plane does when a key is made.
	keys := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "mooring-api-keys", Namespace: i.namespace}}
	if err := server.admin.Get(t.Context(), client.ObjectKeyFromObject(&keys), &keys); err != nil {
		t.Fatal(err)
	}
	keys.Data["apikeys.json"] = []byte(`{"version":1,"keys":[]}`)
	if err := server.admin.Update(t.Context(), &keys, client.FieldOwner("mooring-xds")); err != nil {
		t.Fatal(err)
	}
	made["mooring-api-keys"] = keys.Data
	pods := i.pods()
	i.upgrade("--set", "envoy.replicas=3", "--set", "auth.config.discovery=standard", "--set", "policy.config.commands={npx}")
	i.upgrade("--reuse-values")
	if diff := cmp.Diff(made, i.secrets()); diff != "" {
		t.Error("an upgrade changes Secrets") // whose content is not for logs
	}
	now := i.pods()
	if diff := cmp.Diff(pods["mooring-envoy"], now["mooring-envoy"]); diff != "" {
		t.Errorf("Envoy's pods are replaced (-before +after):\n%s", diff)
	}
}

// TestCertificatesAreRenewed: one that is deleted is made anew by the same
// authority, and the other stays.
func TestCertificatesAreRenewed(t *testing.T) {
	i := install(t)
	before := i.secrets()
	gone := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "mooring-envoy-tls", Namespace: i.namespace}}
	if err := server.admin.Delete(t.Context(), &gone); err != nil {
		t.Fatal(err)
	}
	i.upgrade()
	after := i.secrets()
	if bytes.Equal(before["mooring-envoy-tls"]["tls.crt"], after["mooring-envoy-tls"]["tls.crt"]) {
		t.Error("the certificate is the old one")
	}
	if !bytes.Equal(before["mooring-envoy-tls"]["ca.crt"], after["mooring-envoy-tls"]["ca.crt"]) ||
		!bytes.Equal(before["mooring-xds-tls"]["tls.crt"], after["mooring-xds-tls"]["tls.crt"]) {
		t.Error("more was made anew than had to be")
	}
}

// TestOnlyWhatMustRestarts: settings that are read at the start replace the control
// plane's pods, and those that are read again replace none.
func TestOnlyWhatMustRestarts(t *testing.T) {
	i := install(t, "--set", "policy.config.maxReplicas=3")
	for _, tt := range []struct {
		values  string
		replace string
	}{
		{"auth.config.discovery=standard", ""},
		{"policy.config.commands={npx}", ""},
		{"policy.config.maxReplicas=5", "mooring-xds"},
		{"adapters.terminationGracePeriod=2m", "mooring-xds"},
		{"envoy.heapBytes=1000000000", "mooring-envoy"},
	} {
		before := i.pods()
		i.upgrade("--reuse-values", "--set", tt.values)
		for name, template := range i.pods() {
			if replaced := !cmp.Equal(before[name], template); replaced != (name == tt.replace) {
				t.Errorf("%s: %s replaced: %t", tt.values, name, replaced)
			}
		}
	}
}

// TestScalingKeepsEnvoys: an upgrade that begins to scale them, and those after it,
// leave as many as there are. Without a number Kubernetes would leave one.
func TestScalingKeepsEnvoys(t *testing.T) {
	i := install(t, "--set", "envoy.replicas=5")
	envoys := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: i.namespace, Name: "mooring-envoy"}}
	for _, tt := range []struct {
		values string
		scale  int32 // what the autoscaler wants before
		want   int32
	}{
		{"envoy.autoscaling.enabled=true", 0, 5},
		{"extproc.logLevel=warn", 7, 7},
	} {
		if tt.scale != 0 {
			scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: tt.scale}}
			if err := server.admin.SubResource("scale").Update(t.Context(), &envoys, client.WithSubResourceBody(scale)); err != nil {
				t.Fatal(err)
			}
		}
		i.upgrade("--reuse-values", "--set", tt.values)
		if err := server.admin.Get(t.Context(), client.ObjectKeyFromObject(&envoys), &envoys); err != nil {
			t.Fatal(err)
		}
		if got := *envoys.Spec.Replicas; got != tt.want {
			t.Errorf("%s leaves %d Envoys, not %d", tt.values, got, tt.want)
		}
	}
}

// TestUninstallLeavesNothing but the definition of adapters, and them.
func TestUninstallLeavesNothing(t *testing.T) {
	i := install(t, "--set", "envoy.autoscaling.enabled=true,ingress.enabled=true,publicURL=https://mcp.example.com,policy.config.maxReplicas=3,monitoring.dashboards=true")
	object := i.adapter("stays")
	if err := server.admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if len(left(t)) < 20 {
		t.Fatal("little was installed")
	}
	i.run("uninstall", "mooring")
	for _, o := range left(t) {
		t.Errorf("%s %s is left", o.GetKind(), o.GetName())
	}
	if err := server.admin.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Errorf("the adapter: %v", err)
	}
}

// left are all objects of releases, in all namespaces and in none.
func left(t *testing.T) []unstructured.Unstructured {
	t.Helper()
	var all []unstructured.Unstructured
	for _, kind := range []schema.GroupVersionKind{
		{Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ServiceAccount"},
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
		{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}, {Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, {Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicy"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicyBinding"},
	} {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(kind)
		if err := server.admin.List(t.Context(), &list, client.MatchingLabels{"app.kubernetes.io/part-of": "mooring"}); err != nil {
			t.Fatal(err)
		}
		all = append(all, list.Items...)
	}
	return all
}
