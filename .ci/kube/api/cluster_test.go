package api

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/kube"
)

// TestOneLeads at a time, and gives the lease back at its end, so that another
// does at once.
func TestOneLeads(t *testing.T) {
	namespace := newNamespace(t)
	holder := func() string {
		var lease coordinationv1.Lease
		err := server.admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "mooring-xds"}, &lease)
		if err != nil || lease.Spec.HolderIdentity == nil {
			return ""
		}
		return *lease.Spec.HolderIdentity
	}
	identity := func(name string) func(*kube.Config) { return func(cfg *kube.Config) { cfg.Identity = name } }
	t.Run("first", func(t *testing.T) {
		connect(t, namespace, identity("first"))
		eventually(t, "a leader", func() bool { return holder() == "first" })
	})
	if got := holder(); got != "" {
		t.Errorf("%s has ended and holds the lease", got)
	}
	connect(t, namespace, identity("second"))
	eventually(t, "a leader", func() bool { return holder() == "second" })
}

// line is a way to the API server that can be cut.
type line struct {
	mu    sync.Mutex
	isCut bool
	open  []net.Conn
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		return nil, errors.New("the line is cut")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		l.open = append(l.open, conn)
	}
	return conn, err
}

func (l *line) cut(isCut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = isCut
	for _, conn := range l.open {
		conn.Close()
	}
	l.open = nil
}

// TestAdaptersAreThereWithoutTheServer: what is known goes on being known while
// Kubernetes' API is away, and what has changed comes when it is back.
func TestAdaptersAreThereWithoutTheServer(t *testing.T) {
	namespace := newNamespace(t)
	way := &line{}
	store := connect(t, namespace, func(cfg *kube.Config) {
		cfg.REST = rest.CopyConfig(cfg.REST)
		cfg.REST.Dial = way.dial
	}).Store()
	must(store.Create(t.Context(), adapterstest.Example("one")))(t)
	must(store.List(t.Context()))(t)
	changes := store.Changes(t.Context())
	way.cut(true)
	if _, err := store.Create(t.Context(), adapterstest.Example("two")); err == nil || errors.Is(err, adapters.ErrExists) {
		t.Errorf("Create: %v", err)
	}
	if got := must(store.List(t.Context()))(t); len(got) != 1 {
		t.Errorf("listed: %v", got)
	}
	if err := server.admin.Delete(t.Context(), stdio(namespace, "one", 1)); err != nil {
		t.Fatal(err)
	}
	way.cut(false)
	for len(must(store.List(t.Context()))(t)) > 0 {
		await(t, changes)
	}
}

// TestRestart: another start finds what the last one left.
func TestRestart(t *testing.T) {
	namespace := newNamespace(t)
	var want adapters.Adapter
	t.Run("before", func(t *testing.T) {
		want = must(connect(t, namespace).Store().Create(t.Context(), adapterstest.Example("one")))(t)
	})
	store := connect(t, namespace).Store()
	for _, got := range []adapters.Adapter{must(store.Get(t.Context(), "one"))(t), must(store.List(t.Context()))(t)[0]} {
		if got.ID != want.ID || got.Revision != want.Revision || !got.Equal(want.Spec) || got.CreatedBy != want.CreatedBy ||
			got.Origin != want.Origin || !got.LastUpdatedAt.Equal(want.LastUpdatedAt) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// TestNothingGoesOn of a connection that has ended.
func TestNothingGoesOn(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("connection", func(t *testing.T) {
		must(connect(t, newNamespace(t)).Store().Create(t.Context(), adapterstest.Example("one")))(t)
	})
	// Connections to the server are kept for the next, and are not the cluster's own.
	utilnet.CloseIdleConnectionsFor(must(rest.TransportFor(server.config))(t))
	// The cache waits for good where a listener's first list was not heard out.
	goleak.VerifyNone(t, before, goleak.IgnoreTopFunction("sigs.k8s.io/controller-runtime/pkg/cache.newMultiNamespaceInformerHandlerRegistration.func1"))
}

// TestIncompleteConfigs: what is needed is asked for at once.
func TestIncompleteConfigs(t *testing.T) {
	good := kube.Config{REST: server.config, Namespace: "n", Identity: "i", PublicURL: "https://gateway.example", Settings: settingsOf(t)}
	for name, change := range map[string]func(*kube.Config){
		"no server":    func(cfg *kube.Config) { cfg.REST = nil },
		"no namespace": func(cfg *kube.Config) { cfg.Namespace = "" },
		"no identity":  func(cfg *kube.Config) { cfg.Identity = "" },
	} {
		cfg := good
		change(&cfg)
		if _, err := kube.Connect(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
