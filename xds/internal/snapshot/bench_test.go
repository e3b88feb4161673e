package snapshot

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// bench is a Loop whose rounds the test makes, and whose Envoys it plays.
type bench struct {
	*Loop
	t        testing.TB
	store    *adapterstest.Store
	deployer *adapterstest.Deployer
	registry *prometheus.Registry
	nonce    int
}

func newBench(t testing.TB) *bench {
	t.Helper()
	translator, err := translate.New(translate.Settings{Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:9090"})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: new(adapterstest.Store), deployer: new(adapterstest.Deployer), registry: prometheus.NewRegistry()}
	b.Loop = New(Config{
		Store: b.store, Deployer: b.deployer, Translator: translator,
		Registerer: b.registry, Log: slog.New(slog.DiscardHandler),
	})
	return b
}

func (b *bench) add(name string) adapters.Adapter {
	b.t.Helper()
	a := adapterstest.Example(name)
	a.CreatedAt = time.Now()
	b.deployer.SetInstances(a.ID, adapters.Instance{ID: name, Address: "/" + name, State: adapters.InstanceReady})
	a, err := b.store.Create(b.t.Context(), a)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *bench) makeRound() {
	b.t.Helper()
	if _, err := b.round(b.t.Context(), time.Now()); err != nil {
		b.t.Fatal(err)
	}
}

// send plays the server: it sends all of a type as published to an Envoy, and
// returns the nonce.
func (b *bench) send(to StreamID, typ resourcev3.Type) string {
	b.nonce++
	nonce := strconv.Itoa(b.nonce)
	versions := map[string]string{}
	for name, version := range b.state.published.versions[typ] {
		versions[name] = version
	}
	b.Sending(to, Sent{Type: typ, Nonce: nonce, Versions: versions})
	return nonce
}

func (b *bench) ackAll(from StreamID) {
	for _, typ := range []resourcev3.Type{resourcev3.ClusterType, resourcev3.EndpointType, resourcev3.RouteType} {
		b.Acked(from, b.send(from, typ))
	}
}

func (b *bench) want(a adapters.Adapter, status, reason string) {
	b.t.Helper()
	c := b.Programmed(a)
	if c.Type != adapters.ConditionProgrammed || c.Status != status || c.Reason != reason || c.Message == "" || c.LastTransitionTime.IsZero() {
		b.t.Errorf("%s: condition %+v, want %s, %s", a.Name, c, status, reason)
	}
}
