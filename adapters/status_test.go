package adapters_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

// statusTest is what a Deployer tells, and what is to be made of it.
type statusTest struct {
	replicas                  int
	instances                 []adapters.Instance
	ready, updated, available int
	line                      string
	condition                 adapters.Condition
}

func statusTests() map[string]statusTest {
	at := time.Date(2026, 5, 6, 6, 8, 9, 0, time.UTC)
	later := at.Add(time.Minute)
	hash := valid().TemplateHash()
	ready := func(ordinal int, hash string, since time.Time) adapters.Instance {
		return adapters.Instance{ID: "x", Ordinal: ordinal, State: adapters.InstanceReady, Since: since, TemplateHash: hash}
	}
	failed := adapters.Instance{
		ID: "y", Ordinal: 1, State: adapters.InstanceFailed, Since: later, TemplateHash: hash,
		Reason: "CommandExited", Message: "npx ended with exit code 1: no such package.", Restarts: 3,
	}
	starting := adapters.Instance{ID: "z", Ordinal: 0, State: adapters.InstanceStarting, Since: at, TemplateHash: hash}
	notMade := adapters.Instance{Ordinal: 1, State: adapters.InstanceFailed, Since: later, TemplateHash: hash, Reason: "FailedCreate", Message: "No."}
	draining := adapters.Instance{Ordinal: 0, State: adapters.InstanceDraining, Since: at, TemplateHash: "old"}
	return map[string]statusTest{
		"none wanted": {
			0, nil, 0, 0, 0, "Scaled to zero",
			adapters.Condition{Status: "False", Reason: "ScaledToZero", Message: "The adapter has no replicas, since replicaCount is 0."},
		},
		"none yet": {
			2, nil, 0, 0, 0, "Degraded: 0 of 2 replicas ready",
			adapters.Condition{Status: "False", Reason: "Pending", Message: "No replica was started yet."},
		},
		"starting": {
			1, []adapters.Instance{starting}, 0, 1, 0, "Degraded: 0 of 1 replicas ready; instance 0: Starting",
			adapters.Condition{Status: "False", Reason: "Starting", Message: "Replica 0 is Starting.", LastTransitionTime: at},
		},
		"all ready": {
			2, []adapters.Instance{ready(1, hash, at), ready(0, hash, later)}, 2, 2, 2, "Healthy",
			adapters.Condition{Status: "True", Reason: "ReplicaReady", Message: "At least one replica serves.", LastTransitionTime: at},
		},
		"failed": {
			2, []adapters.Instance{starting, failed}, 0, 2, 0,
			"Degraded: 0 of 2 replicas ready; instance 1: CommandExited: npx ended with exit code 1: no such package.",
			adapters.Condition{Status: "False", Reason: "CommandExited", Message: "npx ended with exit code 1: no such package.", LastTransitionTime: later},
		},
		"one of two": {
			2, []adapters.Instance{ready(0, hash, at), failed}, 1, 2, 1,
			"Degraded: 1 of 2 replicas ready; instance 1: CommandExited: npx ended with exit code 1: no such package.",
			adapters.Condition{Status: "True", Reason: "ReplicaReady", Message: "At least one replica serves.", LastTransitionTime: at},
		},
		"not made": {
			2, []adapters.Instance{ready(0, hash, at), notMade}, 1, 1, 1, "Degraded: 1 of 2 replicas ready; instance 1: FailedCreate: No.",
			adapters.Condition{Status: "True", Reason: "ReplicaReady", Message: "At least one replica serves.", LastTransitionTime: at},
		},
		"rolling": {
			2, []adapters.Instance{draining, ready(0, hash, later), ready(1, "old", at)}, 2, 1, 2, "Healthy",
			adapters.Condition{Status: "True", Reason: "ReplicaReady", Message: "At least one replica serves.", LastTransitionTime: at},
		},
		"only draining": {
			1, []adapters.Instance{draining}, 0, 0, 0, "Degraded: 0 of 1 replicas ready",
			adapters.Condition{Status: "False", Reason: "Draining", Message: "Replica 0 is Draining.", LastTransitionTime: at},
		},
	}
}

func TestStatus(t *testing.T) {
	for name, test := range statusTests() {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			spec := valid()
			spec.ReplicaCount = test.replicas
			a := w.create(t, spec)
			w.deployer.SetInstances(a.ID, test.instances...)
			got := w.service.Status(a)
			if got.ReadyReplicas != test.ready || got.UpdatedReplicas != test.updated || got.AvailableReplicas != test.available {
				t.Errorf("ready %d, updated %d, available %d: want %d, %d, %d",
					got.ReadyReplicas, got.UpdatedReplicas, got.AvailableReplicas, test.ready, test.updated, test.available)
			}
			if got.ReplicaStatus != test.line || got.Image != "mcp-proxy:1.0.0" {
				t.Errorf("line %q, image %q: want %q", got.ReplicaStatus, got.Image, test.line)
			}
			want := test.condition
			want.Type = adapters.ConditionReady
			if want.LastTransitionTime.IsZero() {
				want.LastTransitionTime = a.LastUpdatedAt
			}
			if d := cmp.Diff([]adapters.Condition{want}, got.Conditions); d != "" {
				t.Errorf("conditions (-want +got):\n%s", d)
			}
			for i := 1; i < len(got.Instances); i++ {
				if got.Instances[i].Instance < got.Instances[i-1].Instance {
					t.Errorf("instances are not in order: %v", got.Instances)
				}
			}
			if len(got.Instances) != len(test.instances) {
				t.Errorf("%d instances, want %d", len(got.Instances), len(test.instances))
			}
		})
	}
}

func TestStatusConditions(t *testing.T) {
	w := newWorld(func(cfg *adapters.ServiceConfig) { cfg.Programmer = &fakeProgrammer{status: adapters.StatusFalse} })
	w.deployer.SetConditions(adapters.Condition{Type: adapters.ConditionWorkloadIdentity, Status: adapters.StatusFalse, Reason: adapters.ReasonNoEffect})
	a := w.create(t, valid())
	var got []string
	for _, c := range w.service.Status(a).Conditions {
		got = append(got, c.Type+"="+c.Status+" "+c.Reason)
	}
	want := []string{"Ready=False Pending", "Programmed=False Told", "WorkloadIdentity=False NoEffect"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
