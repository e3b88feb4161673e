// Package api tests adapters/kube, the chart's CustomResourceDefinition and its
// admission policies against a real Kubernetes API server, with etcd, and
// nothing behind it: no controllers and no nodes. Its binaries are those of the
// lab (.ci/kube/lab).
package api

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// root is the module's folder, from the folder of this package.
const root = "../../.."

// server is the API server that all tests share.
var server struct {
	config *rest.Config
	admin  client.Client
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	programs, err := binaries()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory: programs,
		CRDDirectoryPaths:     []string{filepath.Join(root, "charts/mooring/crds")},
		ErrorIfCRDPathMissing: true,
	}
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting Kubernetes' API server:", err)
		return 1
	}
	defer environment.Stop() //nolint:errcheck // its processes are gone, or their end is not ours to repair
	config.QPS, config.Burst = -1, -1
	server.config = config
	if server.admin, err = client.New(config, client.Options{Scheme: scheme()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// scheme knows Kubernetes' own types and the adapters.
func scheme() *runtime.Scheme {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(known); err != nil {
			panic(err)
		}
	}
	return known
}

var namespaces atomic.Int64

// newNamespace is a namespace of the test's own.
func newNamespace(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", namespaces.Add(1))
	if err := server.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		t.Fatal(err)
	}
	return name
}
