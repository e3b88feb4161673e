package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProgrammedFollowsEveryEnvoy(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	b.want(a, "Unknown", reasonPending)
	b.makeRound()
	b.want(a, "Unknown", reasonNoEnvoy)
	b.Opened(1)
	b.Opened(2)
	b.ackAll(1)
	b.want(a, "Unknown", reasonPending)
	b.ackAll(2)
	b.want(a, "True", reasonAccepted)
	since := b.Programmed(a).LastTransitionTime

	// What changes of another adapter does not change this one's condition.
	other := b.add("two")
	b.makeRound()
	b.want(a, "True", reasonAccepted)
	b.want(other, "Unknown", reasonPending)
	b.ackAll(1)
	b.ackAll(2)
	b.want(other, "True", reasonAccepted)
	if got := b.Programmed(a).LastTransitionTime; !got.Equal(since) {
		t.Errorf("last transition moved from %v to %v", since, got)
	}

	// A change that was not read yet, and one that changes the routes.
	a.RequiredRoles = []string{"another"}
	a.Generation++
	a, err := b.store.Update(t.Context(), a, "")
	if err != nil {
		t.Fatal(err)
	}
	b.want(a, "Unknown", reasonPending)
	b.makeRound()
	b.want(a, "Unknown", reasonPending)
	b.Closed(2)
	b.Acked(1, b.send(1, resourcev3.RouteType))
	b.want(a, "True", reasonAccepted)
	b.Closed(1)
	b.want(a, "Unknown", reasonNoEnvoy)
}

// TestProgrammedFollowsReplicas: a replica that is ready and an adapter that is
// programmed are an adapter that can be called.
func TestProgrammedFollowsReplicas(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	b.deployer.SetInstances(a.ID, adapters.Instance{ID: "one", Address: "/one", State: adapters.InstanceFailed})
	b.makeRound()
	b.Opened(1)
	b.Acked(1, b.send(1, resourcev3.ClusterType))
	b.Acked(1, b.send(1, resourcev3.RouteType))
	b.want(a, "Unknown", reasonPending)
	b.Acked(1, b.send(1, resourcev3.EndpointType))
	b.want(a, "True", reasonAccepted)

	// A replica that was not published yet, and then not answered yet.
	ready := adapters.Instance{ID: "one", Address: "/one", State: adapters.InstanceReady, Since: time.Now()}
	b.deployer.SetInstances(a.ID, ready)
	b.want(a, "Unknown", reasonPending)
	if got := b.Programmed(a).LastTransitionTime; !got.Equal(ready.Since) {
		t.Errorf("last transition at %v, want %v", got, ready.Since)
	}
	b.makeRound()
	b.want(a, "Unknown", reasonPending)
	b.Acked(1, b.send(1, resourcev3.EndpointType))
	b.want(a, "True", reasonAccepted)

	// One that only starts is nothing to Envoy.
	b.deployer.SetInstances(a.ID, ready, adapters.Instance{ID: "two", Address: "/two", State: adapters.InstanceStarting})
	b.want(a, "True", reasonAccepted)
}

func TestAnEnvoyThatComesBackIsKnown(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	b.makeRound()
	b.Opened(1)
	for typ, versions := range b.state.published.versions {
		b.Subscribed(1, typ, versions)
	}
	b.want(a, "True", reasonAccepted)
}

func TestNamedClustersAloneAreRefused(t *testing.T) {
	b := newBench(t)
	one, two, twofold := b.add("one"), b.add("two"), b.add("twofold")
	b.makeRound()
	b.Opened(1)
	b.Acked(1, b.send(1, resourcev3.RouteType))
	b.Acked(1, b.send(1, resourcev3.EndpointType))
	message := "Error adding/updating cluster(s) " + contract.AdapterCluster("two") + ": bad timeout"
	b.Nacked(1, b.send(1, resourcev3.ClusterType), message)
	b.makeRound()
	b.want(two, "False", reasonRefused)
	b.Acked(1, b.send(1, resourcev3.RouteType))
	b.want(one, "True", reasonAccepted)
	b.want(twofold, "True", reasonAccepted)
	if got := testutil.ToFloat64(b.metrics.acks.WithLabelValues("cluster", "nack")); got != 1 {
		t.Errorf("%v NACKs counted", got)
	}
	// It stays out until it changes.
	b.add("three")
	b.makeRound()
	b.want(two, "False", reasonRefused)
	if b.state.published.versions[resourcev3.ClusterType][contract.AdapterCluster("two")] != "" {
		t.Error("a refused cluster is published again")
	}
}

func TestAnswersToNothingAreIgnored(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	b.makeRound()
	b.Acked(7, "1")
	b.Nacked(7, "1", "x")
	b.Sending(7, Sent{Nonce: "1"})
	b.Opened(1)
	b.Nacked(1, "9", "x")
	b.want(a, "Unknown", reasonPending)
	// A listener is no adapter's fault.
	b.Nacked(1, b.send(1, resourcev3.ListenerType), "address in use")
	b.ackAll(1)
	b.want(a, "True", reasonAccepted)
}

func TestStoreThatFailsLeavesWhatIsPublished(t *testing.T) {
	b := newBench(t)
	b.add("one")
	b.makeRound()
	before := b.state.published
	b.store.Fail(errors.New("disk"))
	if _, err := b.round(t.Context(), time.Now()); err == nil {
		t.Error("no error")
	}
	if b.state.published != before {
		t.Error("something else is published")
	}
}

// TestTrialsFindTheCulprits: whichever of the adapters that were changed
// together are refused, those and no others are left out in the end.
func TestTrialsFindTheCulprits(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t)
		n := rapid.IntRange(1, 8).Draw(r, "adapters")
		var all, bad []adapters.Adapter
		for i := range n {
			all = append(all, b.add(fmt.Sprintf("a%d", i)))
			if rapid.Bool().Draw(r, "bad") {
				bad = append(bad, all[i])
			}
		}
		b.Opened(1)
		isBad := func(a adapters.Adapter) bool {
			return slices.ContainsFunc(bad, func(o adapters.Adapter) bool { return o.ID == a.ID })
		}
		for over := false; !over; {
			b.makeRound()
			b.Acked(1, b.send(1, resourcev3.ClusterType))
			b.Acked(1, b.send(1, resourcev3.EndpointType))
			nonce := b.send(1, resourcev3.RouteType)
			if slices.ContainsFunc(all, func(a adapters.Adapter) bool { return isBad(a) && b.state.records[a.ID].published }) {
				b.Nacked(1, nonce, "no")
			} else {
				b.Acked(1, nonce)
				over = !b.nextTrial()
			}
		}
		for _, a := range all {
			status := "True"
			if isBad(a) {
				status = "False"
			}
			if c := b.Programmed(a); c.Status != status {
				r.Errorf("%s: %+v, want %s", a.Name, c, status)
			}
		}
	})
}

// TestToolsChangeRoutesSeldom: Envoy is told of the names of tools when they
// change, and not when a replica is replaced.
func TestToolsChangeRoutesSeldom(t *testing.T) {
	b := newBench(t)
	a := b.add("one")
	routes := func(instances ...adapters.Instance) string {
		for i := range instances {
			instances[i].ID, instances[i].Address, instances[i].State = fmt.Sprint(i), fmt.Sprintf("/%d", i), adapters.InstanceReady
		}
		b.deployer.SetInstances(a.ID, instances...)
		b.toolsAfter = time.Time{}
		b.makeRound()
		return b.state.published.routes()
	}
	unknown := routes(adapters.Instance{})
	known := routes(adapters.Instance{Tools: []string{"echo", "who"}})
	if known == unknown {
		t.Error("the names of tools do not come into the routes")
	}
	for name, instances := range map[string][]adapters.Instance{
		"another replica": {{Tools: []string{"echo", "who"}}, {Tools: []string{"who"}}},
		"replaced":        {{}},
		"none is left":    {},
		"other order":     {{Tools: []string{"who"}}, {Tools: []string{"echo"}}},
	} {
		if routes(instances...) != known {
			t.Errorf("%s: the routes changed", name)
		}
	}
	if routes(adapters.Instance{Tools: []string{}}) == known || routes(adapters.Instance{Tools: []string{"echo"}}) == known {
		t.Error("names that go stay in the routes")
	}
}

func TestRouteHistoryIsBounded(t *testing.T) {
	s := newState()
	for i := range 3 * routeHistory {
		s.number(strconv.Itoa(i))
	}
	s.number("5")
	if len(s.routeNumbers) > routeHistory+1 || len(s.routeOrder) > routeHistory {
		t.Errorf("%d numbers, %d in order", len(s.routeNumbers), len(s.routeOrder))
	}
	if s.routeNumbers["5"] != s.routeNumber {
		t.Error("a version that came again does not have the highest number")
	}
}

func TestMetricsPassTheLinter(t *testing.T) {
	b := newBench(t)
	problems, err := testutil.GatherAndLint(b.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

func TestBestState(t *testing.T) {
	for want, states := range map[string][]adapters.InstanceState{
		stateStopped:  nil,
		stateReady:    {adapters.InstanceFailed, adapters.InstanceReady},
		stateFailed:   {adapters.InstanceStarting, adapters.InstanceFailed},
		stateStarting: {adapters.InstanceDraining, adapters.InstanceStarting},
		stateDraining: {adapters.InstanceDraining},
	} {
		var list []adapters.Instance
		for _, s := range states {
			list = append(list, adapters.Instance{State: s})
		}
		if got := bestState(list); got != want {
			t.Errorf("%v: %s, want %s", states, got, want)
		}
	}
}
