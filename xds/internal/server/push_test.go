package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// acks are the answers of Envoys so far, by type and result.
func (g *gateway) acks() map[string]float64 {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != "mooring_xds_acks_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			out[labels["type"]+" "+labels["result"]] = m.GetCounter().GetValue()
		}
	}
	return out
}

func TestNothingIsPushedWhenNothingChanged(t *testing.T) {
	g := newGateway(t, nil)
	one := g.replica("r")
	a := g.add("one", one)
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	g.await("endpoints are accepted", func() bool { return g.acks()["endpoint ack"] > 0 })
	before := g.acks()

	// Changes that are none to Envoy, then one that is, behind them.
	g.deployer.SetInstances(a.ID, one)
	g.deployer.SetInstances(a.ID, one, adapters.Instance{ID: "x", Address: "/x", State: adapters.InstanceStarting})
	changed := a
	changed.Description = "changed"
	changed, err := g.store.Update(t.Context(), changed, "")
	if err != nil {
		t.Fatal(err)
	}
	b := g.add("two", one)
	g.awaitProgrammed(b, "True")
	g.await("endpoints are accepted", func() bool { return g.acks()["endpoint ack"] > before["endpoint ack"] })
	g.awaitProgrammed(changed, "True")
	for key, want := range map[string]float64{
		"listener ack": 0, "route ack": 1, "cluster ack": 1, "endpoint ack": 1,
		"listener nack": 0, "route nack": 0, "cluster nack": 0, "endpoint nack": 0,
	} {
		if got := g.acks()[key] - before[key]; got != want {
			t.Errorf("%s: %v more, want %v", key, got, want)
		}
	}

	// An Envoy that comes anew gets what there is, and is not waited for.
	g.envoy.Kill()
	g.awaitProgrammed(a, "Unknown")
	if c := g.loop.Programmed(a); c.Reason != "NoEnvoy" {
		t.Errorf("condition without an Envoy: %+v", c)
	}
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
}

// spoilRoutes makes Envoy refuse the routes of adapters whose name begins with
// bad, and so the whole route configuration that they are in.
func spoilRoutes(a *translate.Adapter) {
	if !strings.HasPrefix(a.Name, "bad") {
		return
	}
	var list routev3.RouteList
	if err := a.Routes.UnmarshalTo(&list); err != nil {
		panic(err)
	}
	list.Routes[0].GetRoute().PrefixRewrite = "/a"
	list.Routes[0].GetRoute().PathRewrite = "/b"
	routes, err := anypb.New(&list)
	if err != nil {
		panic(err)
	}
	a.Routes = routes
}

// spoilCluster makes Envoy refuse the clusters of adapters whose name begins
// with bad.
func spoilCluster(a *translate.Adapter) {
	if strings.HasPrefix(a.Name, "bad") {
		a.Cluster.ConnectTimeout = durationpb.New(-time.Second)
	}
}

func TestRefusedAdapterDoesNotHoldBackOthers(t *testing.T) {
	for name, spoil := range map[string]func(*translate.Adapter){"routes": spoilRoutes, "cluster": spoilCluster} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, spoil)
			r := g.replica("r")
			first := g.add("first", r)
			g.startEnvoy()
			g.awaitProgrammed(first, "True")

			// In one batch: two bad ones and five good ones.
			bad := []adapters.Adapter{g.add("bad-1", r), g.add("bad-2", r)}
			good := []adapters.Adapter{first}
			for i := range 5 {
				good = append(good, g.add(fmt.Sprintf("good-%d", i), r))
			}
			for _, a := range bad {
				if c := g.awaitProgrammed(a, "False"); c.Reason != "RefusedByEnvoy" || c.Message == "" {
					t.Errorf("condition %+v", c)
				}
			}
			for _, a := range good {
				g.awaitProgrammed(a, "True")
				if got := g.ask("POST", "/adapters/"+a.Name+"/mcp"); got.status != 200 {
					t.Errorf("%s: %v", a.Name, got)
				}
			}
			if !strings.Contains(g.log.String(), "envoy refused configuration") || g.acks()["route nack"]+g.acks()["cluster nack"] == 0 {
				t.Error("the refusal is neither in the log nor counted")
			}
			// They stay out while others change.
			late := g.add("late", r)
			g.awaitProgrammed(late, "True")
			for _, a := range bad {
				g.awaitProgrammed(a, "False")
			}
		})
	}
}

func TestInvalidAdapterIsLeftOut(t *testing.T) {
	g := newGateway(t, nil)
	g.startEnvoy()
	bad := g.add("bad", adapters.Instance{ID: "x", Address: "not-an-ip:1", State: adapters.InstanceReady})
	good := g.add("good", g.replica("r"))
	g.awaitProgrammed(good, "True")
	if c := g.awaitProgrammed(bad, "False"); c.Reason != "Invalid" {
		t.Errorf("condition %+v", c)
	}
}

// TestThousandAdapters logs how long a change takes with 1,000 adapters.
func TestThousandAdapters(t *testing.T) {
	g := newGateway(t, nil)
	r := g.replica("r")
	var last adapters.Adapter
	for i := range 1000 {
		last = g.add(fmt.Sprintf("adapter-%04d", i), r)
	}
	g.startEnvoy()
	start := time.Now()
	g.awaitProgrammed(last, "True")
	t.Logf("1,000 adapters accepted by a new Envoy in %v after it was live", time.Since(start))

	var worst time.Duration
	for i := range 10 {
		start := time.Now()
		a := g.add(fmt.Sprintf("new-%d", i), r)
		g.awaitProgrammed(a, "True")
		worst = max(worst, time.Since(start))
		if got := g.ask("POST", "/adapters/"+a.Name+"/mcp"); got.status != 200 {
			t.Fatalf("accepted, but not served: %v", got)
		}
	}
	t.Logf("from change to acceptance with 1,000 adapters: %v at worst of 10", worst)

	start = time.Now()
	if err := g.store.Delete(t.Context(), last.Name, ""); err != nil {
		t.Fatal(err)
	}
	g.await("the deleted adapter is the API's to answer", func() bool {
		return strings.HasPrefix(g.ask("POST", "/adapters/"+last.Name+"/mcp").body, "api ")
	})
	t.Logf("from deletion to the API's answer: %v", time.Since(start))
}

// TestRestart: while the control plane is away, and after it came back, adapters
// are served as before, and nothing is sent again.
func TestRestart(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	serves := func(when string) {
		t.Helper()
		if got := g.ask("POST", "/adapters/one/mcp"); got.status != 200 {
			t.Errorf("%s: %v", when, got)
		}
	}
	g.stop()
	serves("without a control plane")

	// The instances of before are not known at once.
	running := g.deployer.Instances()[a.ID]
	g.deployer.SetInstances(a.ID)
	g.start(nil)
	if err := g.loop.Ready(); err == nil {
		t.Error("published before the instances were known")
	}
	serves("before the instances are known")
	running[0].State = adapters.InstanceStarting
	g.deployer.SetInstances(a.ID, running...)
	running[0].State = adapters.InstanceReady
	g.deployer.SetInstances(a.ID, running...)
	g.awaitProgrammed(a, "True")
	serves("after the restart")
	for _, key := range []string{"route ack", "endpoint ack", "route nack", "endpoint nack"} {
		if got := g.acks()[key]; got != 0 {
			t.Errorf("%s: %v after a restart without a change", key, got)
		}
	}
}

// TestChangedClusterIsWarm: a cluster that changes, as with an upgrade of the
// control plane, needs its endpoints again, which have not changed.
func TestChangedClusterIsWarm(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	g.stop()
	g.start(func(a *translate.Adapter) { a.Cluster.ConnectTimeout = durationpb.New(7 * time.Second) })
	g.await("the changed cluster is in use", func() bool {
		if got := g.ask("POST", "/adapters/one/mcp"); got.status != 200 {
			t.Errorf("during the change: %v", got)
		}
		dump := string(g.envoy.AdminGet("/config_dump?resource=dynamic_active_clusters"))
		return strings.Contains(dump, `"connect_timeout": "7s"`)
	})
	if got := g.ask("POST", "/adapters/one/mcp"); got.status != 200 {
		t.Errorf("after the change: %v", got)
	}
	g.awaitProgrammed(a, "True")
}

// TestSameNameAgain: an adapter that is deleted and created again is served.
func TestSameNameAgain(t *testing.T) {
	g := newGateway(t, nil)
	g.startEnvoy()
	a := g.add("one", g.replica("r0"))
	g.awaitProgrammed(a, "True")
	if err := g.store.Delete(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	g.await("the adapter is gone", func() bool {
		return strings.HasPrefix(g.ask("POST", "/adapters/one/mcp").body, "api ")
	})
	b := adapterstest.Example("one")
	g.deployer.SetInstances(b.ID, g.replica("r1"))
	b, err := g.store.Create(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	g.awaitProgrammed(b, "True")
	g.await("the new replica serves", func() bool {
		return strings.HasPrefix(g.ask("POST", "/adapters/one/mcp").body, "r1\n")
	})
}

// TestDeletedAdapterIsUnknownAtOnce: once its routes are withdrawn, requests go
// to the API, whatever becomes of its replicas.
func TestDeletedAdapterIsUnknownAtOnce(t *testing.T) {
	g := newGateway(t, nil)
	instance := g.replica("r")
	g.startEnvoy()
	for range 20 {
		a := g.add("one", instance)
		g.awaitProgrammed(a, "True")
		if err := g.store.Delete(t.Context(), a.Name, a.Revision); err != nil {
			t.Fatal(err)
		}
		g.deployer.SetInstances(a.ID)
		g.loop.Withdrawn(t.Context(), a.ID)
		if got := g.ask("POST", "/adapters/one/mcp"); got.body != "api POST /adapters/one/mcp" {
			t.Fatalf("after the end of the adapter: %v", got)
		}
	}
}
