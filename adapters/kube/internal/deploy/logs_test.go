package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
)

// pods is a cache of pods alone.
type pods struct {
	cache.Cache
	mu   sync.Mutex
	list []corev1.Pod
}

func (p *pods) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	into.(*corev1.PodList).Items = p.list
	return nil
}

func (p *pods) set(list ...corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = list
}

// logged is a pod whose server runs for the nth time.
func logged(name string, starts int32) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "mcp-a"}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: objects.Container, RestartCount: starts - 1, ContainerID: fmt.Sprint(name, starts),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}},
	}
}

// logsOf is a Deployer whose API server answers with handler.
func logsOf(t *testing.T, known *pods, handler http.HandlerFunc) *Deployer {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	api, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	store := &adapterstest.Store{}
	a, err := store.Create(t.Context(), adapters.Adapter{ID: "id", Spec: adapters.Spec{
		Name: "a", SecretEnvironmentVariables: map[string]adapters.Secret{"TOKEN": "s3cret-value"},
	}})
	if err != nil || a.ID != "id" {
		t.Fatal(a, err)
	}
	return New(Config{Cache: known, API: api, Namespace: "ns", Store: store})
}

func TestLogs(t *testing.T) {
	known := &pods{}
	known.set(logged("mcp-a-0", 1), logged("mcp-a-1", 3))
	d := logsOf(t, known, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case q.Get("container") != "server":
			t.Errorf("asked for %s", r.URL)
		case strings.HasSuffix(r.URL.Path, "/mcp-a-0/log"):
			fmt.Fprintln(w, "token s3cret-value, lines "+q.Get("tailLines"))
		case q.Get("previous") == "true":
			fmt.Fprintln(w, "before, lines "+q.Get("tailLines"))
		default:
			fmt.Fprintln(w, "now, lines "+q.Get("tailLines"))
		}
	})
	for instance, want := range map[int]string{0: "token ***, lines 7\n", 1: "before, lines 6\nnow, lines 7\n"} {
		var text bytes.Buffer
		if err := d.Logs(t.Context(), "id", adapters.LogOptions{Instance: instance, Lines: 7}, &text); err != nil || text.String() != want {
			t.Errorf("instance %d: %q, %v", instance, text.String(), err)
		}
	}
	if err := d.Logs(t.Context(), "id", adapters.LogOptions{Instance: 2}, &bytes.Buffer{}); !errors.Is(err, adapters.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	var text bytes.Buffer
	if err := d.Logs(t.Context(), "id", adapters.LogOptions{Instance: 1, Lines: 7, Previous: true}, &text); err != nil || text.String() != "before, lines 7\n" {
		t.Errorf("the earlier: %q, %v", text.String(), err)
	}
	if err := d.Logs(t.Context(), "id", adapters.LogOptions{Previous: true}, &bytes.Buffer{}); !errors.Is(err, adapters.ErrNoEarlierLog) {
		t.Errorf("the earlier of a first: %v", err)
	}
}

// TestFollowedBeforeThereIsAPod: the log begins with the pod.
func TestFollowedBeforeThereIsAPod(t *testing.T) {
	known := &pods{}
	d := logsOf(t, known, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "began") })
	d.snapshot.Store(&map[adapters.UID][]adapters.Instance{"id": {{State: adapters.InstanceFailed}}})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	out := writer(func(text string) {
		if text == "began\n" {
			stop()
		}
	})
	time.AfterFunc(10*time.Millisecond, func() { known.set(logged("mcp-a-0", 1)) })
	if err := d.Logs(ctx, "id", adapters.LogOptions{Follow: true}, out); err != nil || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

// writer is told what is written.
type writer func(string)

func (w writer) Write(text []byte) (int, error) {
	w(string(text))
	return len(text), nil
}

func TestNoLogYet(t *testing.T) {
	known := &pods{}
	known.set(logged("mcp-a-0", 1))
	d := logsOf(t, known, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	var text bytes.Buffer
	if err := d.Logs(t.Context(), "id", adapters.LogOptions{}, &text); err != nil || text.Len() != 0 {
		t.Errorf("got %q, %v", text.String(), err)
	}
	known.set(logged("mcp-a-0", 2))
	if err := d.Logs(t.Context(), "id", adapters.LogOptions{Previous: true}, &text); !errors.Is(err, adapters.ErrNoEarlierLog) {
		t.Errorf("an earlier log that its node has removed: %v", err)
	}
}

// TestFollowedLogs: each server's lines once, across restarts and the pods that
// take a pod's place.
func TestFollowedLogs(t *testing.T) {
	known := &pods{}
	known.set(logged("mcp-a-0", 1))
	var mu sync.Mutex
	streams := 0
	d := logsOf(t, known, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("follow") != "true" {
			fmt.Fprintln(w, "one")
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch streams++; streams {
		case 1:
			fmt.Fprintln(w, "one")
			known.set(logged("mcp-a-0", 2))
		case 2:
			if r.URL.Query().Has("tailLines") || r.URL.Query().Has("sinceTime") {
				t.Errorf("asked for %s", r.URL)
			}
			fmt.Fprintln(w, "two s3cret-value")
			known.set()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var text written
	ended := make(chan error, 1)
	go func() { ended <- d.Logs(ctx, "id", adapters.LogOptions{Follow: true}, &text) }()
	for text.String() != "one\ntwo ***\n" {
		select {
		case err := <-ended:
			t.Fatalf("it ended with %q, %v", text.String(), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// written is a buffer for two goroutines.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
