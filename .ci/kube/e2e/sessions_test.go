package e2e

import (
	"encoding/base64"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	mooring "github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// keyDelay is more than the minute in which a key counts as one of now, and more
// than the lab's kubelets take to bring it to the pods.
const keyDelay = 75 * time.Second

// fleetSize is how many sessions live through all that happens.
const fleetSize = 60

// sessions of an adapter with three replicas, through one loss after the other.
func sessions(t *testing.T) {
	m := gateway(t)
	spec := testServer("fleet", 3)
	deploy(t, m, spec)
	f := newFleet(t, m, newLedger(t), "fleet", fleetSize)
	for _, c := range []struct {
		name  string
		event func(*testing.T, *harness.Mooring, mooring.Spec)
		// stay: no session changes its process; else some do.
		stay bool
		// fail bounds the calls that fail meanwhile.
		fail int
	}{
		{"a pod is deleted", podDeleted, false, fleetSize},
		{"the StatefulSet rolls", rolled, false, fleetSize},
		{"it scales to one and back", scaled, false, fleetSize},
		{"both control planes are killed", controlPlanesKilled, true, 0},
		{"the control planes roll", controlPlanesRolled, true, 0},
		{"an external processor is killed", processorKilled, true, fleetSize},
		{"Envoy rolls", envoyRolled, true, 0},
		{"the key ring rotates", keysRotated, true, 0},
		{"a node dies", nodeDies, false, 10 * fleetSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.in(t)
			o := f.through(func() { c.event(t, m.With(t), spec) })
			t.Logf("%s", o)
			if o.gone > 0 {
				t.Errorf("%d sessions that can go on got 404", o.gone)
			}
			if c.stay != (o.recovered == 0) {
				t.Errorf("%d sessions changed their process", o.recovered)
			}
			if failed := o.sum(); failed > c.fail {
				t.Errorf("%d calls failed, more than %d", failed, c.fail)
			}
			f.check()
		})
	}
	f.in(t)
	script(t, "join.sh", "2")
	awaitPods(t, release, component("envoy"), 2, 2*time.Minute)
	awaitPods(t, release, component("xds"), 2, 2*time.Minute)
	m.AwaitReady("fleet", 3, 2*time.Minute)
}

func podDeleted(t *testing.T, m *harness.Mooring, spec mooring.Spec) {
	deletePod(t, podsOf(t, adapters, adapterPods(spec.Name))[0], false)
	awaitOther(t, m, spec, 3)
}

// awaitOther waits until so many replicas serve and no other is there.
func awaitOther(t *testing.T, m *harness.Mooring, spec mooring.Spec, replicas int) {
	t.Helper()
	awaitPods(t, adapters, adapterPods(spec.Name), replicas, 2*time.Minute)
	m.AwaitReady(spec.Name, replicas, startTimeout)
}

func rolled(t *testing.T, m *harness.Mooring, spec mooring.Spec) {
	m.API(http.StatusOK, http.MethodPatch, "/adapters/"+spec.Name, `{"environmentVariables":{"ROLLED":"1"}}`)
	m.AwaitReady(spec.Name, 3, 3*time.Minute)
	awaitOther(t, m, spec, 3)
}

func scaled(t *testing.T, m *harness.Mooring, spec mooring.Spec) {
	m.API(http.StatusOK, http.MethodPatch, "/adapters/"+spec.Name, `{"replicaCount":1}`)
	awaitOther(t, m, spec, 1)
	m.API(http.StatusOK, http.MethodPatch, "/adapters/"+spec.Name, `{"replicaCount":3}`)
	awaitOther(t, m, spec, 3)
}

func controlPlanesKilled(t *testing.T, m *harness.Mooring, spec mooring.Spec) {
	pods := podsOf(t, release, component("xds"))
	for _, pod := range pods {
		kill(t, pod, "xds")
	}
	awaitRestarted(t, "xds", pods...)
	m.AwaitReady(spec.Name, 3, startTimeout)
}

func processorKilled(t *testing.T, _ *harness.Mooring, _ mooring.Spec) {
	pod := podsOf(t, release, component("envoy"))[0]
	kill(t, pod, "extproc")
	awaitRestarted(t, "envoy", pod)
}

// awaitRestarted waits until each of the pods started a container again since,
// and serves.
func awaitRestarted(t *testing.T, part string, before ...corev1.Pod) {
	t.Helper()
	harness.Await(t, part+" is back", 2*time.Minute, func() bool {
		back := 0
		for _, now := range podsOf(t, release, component(part)) {
			for _, then := range before {
				if now.Name == then.Name && restarts(now) > restarts(then) && ready(now) {
					back++
				}
			}
		}
		return back == len(before)
	})
}

func controlPlanesRolled(t *testing.T, m *harness.Mooring, spec mooring.Spec) {
	untroubled(t, m, func() { restart(t, "xds") })
	m.AwaitReady(spec.Name, 3, startTimeout)
}

func envoyRolled(t *testing.T, m *harness.Mooring, _ mooring.Spec) {
	untroubled(t, m, func() { restart(t, "envoy") })
}

// restart replaces the pods of a part one after the other.
func restart(t *testing.T, part string) {
	t.Helper()
	kubectl(t, "", "rollout", "restart", "deployment/mooring-"+part, "--namespace", release)
	kubectl(t, "", "rollout", "status", "deployment/mooring-"+part, "--namespace", release, "--timeout", "3m")
	if nodes := nodesOf(awaitPods(t, release, component(part), 2, 2*time.Minute)); len(nodes) != 2 {
		t.Errorf("both pods of %s are on one node: %v", part, nodes)
	}
}

// keysRotated adds a key as docs/reference/session-keys.md says for several
// processors: it signs from a time on at which all of them have it. A key that
// signs at once is one that some of them do not know yet.
func keysRotated(t *testing.T, m *harness.Mooring, spec mooring.Spec) {
	before := keyOf(m.Initialize(spec.Name).ID)
	addKey(t, "mooring-session-keys", time.Now().Add(keyDelay))
	signed := 0
	harness.Await(t, "sessions are signed with the new key", 3*time.Minute, func() bool {
		session := m.Initialize(spec.Name)
		if signed++; keyOf(session.ID) == before {
			signed = 0
		}
		session.Send(http.MethodDelete, "")
		select {
		case <-t.Context().Done():
		case <-time.After(betweenCalls):
		}
		return signed == 8
	})
}

// addKey puts a new key into the ring of the Secret, to sign from that time on.
func addKey(t *testing.T, secret string, from time.Time) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "openssl", "ecparam", "-genkey", "-noout", "-name", "prime256v1").Output()
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	putKey(t, secret, from.UTC().Format("20060102T150405Z")+".pem", text)
}

// putKey puts the key into the ring of the Secret, under that name.
func putKey(t *testing.T, secret, name string, text []byte) {
	t.Helper()
	kubectl(t, "", "patch", "secret", secret, "--namespace", release, "--type", "merge",
		"--patch", `{"data":{"`+name+`":"`+base64.StdEncoding.EncodeToString(text)+`"}}`)
}

// keyOf is the part of a session's id that names the key it was signed with.
func keyOf(id string) string {
	head, _, _ := strings.Cut(id, ".")
	return head
}

// nodeDies: nothing says goodbye, and no connection is closed.
func nodeDies(t *testing.T, _ *harness.Mooring, spec mooring.Spec) {
	script(t, "kill.sh", "2")
	harness.Await(t, "the cluster knows that the node is gone", 2*time.Minute, func() bool {
		serving := 0
		for _, pod := range podsOf(t, adapters, adapterPods(spec.Name)) {
			if ready(pod) && pod.Spec.NodeName == "node-2" {
				serving++
			}
		}
		return serving == 0
	})
}
