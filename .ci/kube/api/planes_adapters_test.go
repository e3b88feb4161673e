package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

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

// runPods runs a server for each replica of the adapter, and says so to
// Kubernetes. What its tool answers is the name of the pod.
func (w *world) runPods(name string, replicas int) {
	w.t.Helper()
	set := new(appsv1.StatefulSet)
	eventually(w.t, "stateful set of "+name, func() bool { return there(w.t, key(w.namespace, "mcp-"+name), set) })
	for ordinal := range replicas {
		p := pod(w.t, set, fmt.Sprint(ordinal))
		at := w.podAddress()
		w.serveMCP(address(at, 8000), p.Name)
		// No slice may have such an address, and nobody looks at those.
		serveAt(w.t, p, at, fmt.Sprintf("10.82.0.%d", ordinal+1))
	}
}

// podAddress is one that no pod had before.
func (w *world) podAddress() string {
	w.nextPod++
	return fmt.Sprintf("127.%d.2.%d", w.nextPod>>8, w.nextPod&0xff)
}

// serveMCP is a server with one tool, which answers with the name.
func (w *world) serveMCP(at, name string) {
	w.t.Helper()
	s := mcp.NewServer(&mcp.Implementation{Name: name, Version: "1.0.0"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "where"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name}}}, nil, nil
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil))
	serveHTTP(w.t, at, mux)
}

// serveHTTP serves at the address until the test ends.
func serveHTTP(t *testing.T, at string, h http.Handler) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
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
