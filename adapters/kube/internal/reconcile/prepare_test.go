package reconcile

import (
	"context"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// meeting is a client to whom nothing is there, and who answers nobody before all
// have asked.
type meeting struct {
	client.Client
	all sync.WaitGroup

	mu   sync.Mutex
	made []string
}

func (m *meeting) Get(ctx context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	m.all.Done()
	met := make(chan struct{})
	go func() {
		m.all.Wait()
		close(met)
	}()
	select {
	case <-met:
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *meeting) note(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made = append(m.made, name)
}

func (m *meeting) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	m.note(object.GetName())
	return nil
}

func (m *meeting) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	m.note("applied")
	return nil
}

// nothing is a cluster without objects.
type nothing struct{ client.Reader }

func (nothing) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

// TestWhatPodsNeedIsMadeAtOnce: no object waits for another that it does not need.
func TestWhatPodsNeedIsMadeAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	m := &meeting{}
	m.all.Add(3)
	r := New(Config{Client: m, Direct: nothing{}, Namespace: "mcp"})
	in := objects.Input{
		Object:  &v1alpha1.MCPAdapter{ObjectMeta: metav1.ObjectMeta{Name: "one", Namespace: "mcp"}},
		Adapter: adapters.Adapter{ID: "a", Spec: adapters.Spec{Name: "one", ImageName: adapters.BridgeImage}},
	}
	blocked, err := r.prepare(ctx, in, []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "first"}}, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "second"}},
	})
	if err != nil || blocked || len(m.made) != 3 {
		t.Errorf("made %v, blocked %t, error %v", m.made, blocked, err)
	}
}
