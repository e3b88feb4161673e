// Package instances says what the pods of adapters mean: which replicas there
// are, where they serve, how they are and why. It is pure: it asks nobody, and
// what bridges say of themselves it is told.
package instances

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/warnings"
)

// Answer is what a bridge says of itself.
type Answer struct {
	// State, Reason and Message are as in adapters.Instance.
	State           adapters.InstanceState
	Reason, Message string
	// Restarts is how often the bridge started its server anew, since its own
	// start.
	Restarts int
	// Tools are the names of its server's tools. Nil means that they are not known.
	Tools []string
}

// World is what instances are made of.
type World struct {
	Pods []*corev1.Pod
	// Slices are those of the adapters' headless Services.
	Slices []*discoveryv1.EndpointSlice
	// Answers are what bridges said, by the UID of their pods.
	Answers map[types.UID]Answer
	// Sets are the StatefulSets that Warnings are about. Others do not matter.
	Sets []*appsv1.StatefulSet
	// Warnings are what Kubernetes warns of and what still stands, the newest first.
	Warnings map[warnings.About][]warnings.Warning
	// Asleep are the adapters that fall asleep: their pods take no new sessions.
	Asleep map[adapters.UID]bool
	// Conceal takes secrets out of what the servers of an adapter said. Nil takes
	// out nothing.
	Conceal func(adapters.UID, string) string
}

// Of are the instances of each adapter, in order of ordinal; of two with the same
// the older comes first. Replicas that Kubernetes cannot make are among them.
func Of(w World) map[adapters.UID][]adapters.Instance {
	ready := readyIn(w.Slices)
	type row struct {
		adapters.Instance
		born time.Time
	}
	rows := map[adapters.UID][]row{}
	add := func(id adapters.UID, instance adapters.Instance, born time.Time) {
		if id == "" {
			return
		}
		if w.Asleep[id] && instance.State == adapters.InstanceReady {
			instance.State, instance.Reason, instance.Message = adapters.InstanceDraining, adapters.ReasonAsleep, "Nobody calls, so it is about to end."
		}
		if w.Conceal != nil && instance.Message != "" {
			instance.Message = w.Conceal(id, instance.Message)
		}
		rows[id] = append(rows[id], row{instance, born})
	}
	for _, pod := range w.Pods {
		id := adapters.UID(pod.Labels[objects.LabelUID])
		answer, answered := w.Answers[pod.UID]
		v := view{pod: pod, listed: ready[pod.UID], warnings: w.Warnings}
		if answered {
			v.answer = &answer
		}
		if instance, ok := v.instance(); ok {
			add(id, instance, pod.CreationTimestamp.Time)
		}
	}
	for _, set := range w.Sets {
		for _, instance := range w.NotMade(set) {
			add(adapters.UID(set.Labels[objects.LabelUID]), instance, instance.Since)
		}
	}
	all := make(map[adapters.UID][]adapters.Instance, len(rows))
	for id, list := range rows {
		slices.SortFunc(list, func(a, b row) int {
			return cmp.Or(cmp.Compare(a.Ordinal, b.Ordinal), a.born.Compare(b.born), cmp.Compare(a.ID, b.ID))
		})
		for _, r := range list {
			all[id] = append(all[id], r.Instance)
		}
	}
	return all
}

// readyIn are the pods that Kubernetes says may be sent traffic.
func readyIn(list []*discoveryv1.EndpointSlice) map[types.UID]bool {
	ready := map[types.UID]bool{}
	for _, slice := range list {
		for _, endpoint := range slice.Endpoints {
			if endpoint.TargetRef == nil || endpoint.Conditions.Ready == nil || !*endpoint.Conditions.Ready {
				continue
			}
			ready[endpoint.TargetRef.UID] = true
		}
	}
	return ready
}

// view is all that is known of one pod.
type view struct {
	pod *corev1.Pod
	// listed: an EndpointSlice has it as ready.
	listed bool
	// answer is what its bridge said, nil where it has not.
	answer *Answer
	// warnings are those about all objects.
	warnings map[warnings.About][]warnings.Warning
}

// instance is what the pod means, unless it is no replica any more.
func (v view) instance() (instance adapters.Instance, ok bool) {
	pod := v.pod
	ordinal, ok := objects.PodOrdinal(pod)
	if !ok {
		return adapters.Instance{}, false
	}
	s, ok := v.state()
	if !ok {
		return adapters.Instance{}, false
	}
	instance = adapters.Instance{
		ID:           string(pod.UID),
		Ordinal:      ordinal,
		Address:      addressOf(pod),
		State:        s.state,
		Reason:       s.reason,
		Message:      s.message,
		Since:        s.since,
		Restarts:     restartsOf(pod),
		TemplateHash: pod.Labels[objects.LabelTemplate],
	}
	if v.answer != nil {
		instance.Restarts += v.answer.Restarts
		instance.Tools = v.answer.Tools
	}
	return instance, true
}

// addressOf is where the pod's server is reached, or empty before the pod has an
// address.
func addressOf(pod *corev1.Pod) string {
	if pod.Status.PodIP == "" {
		return ""
	}
	return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(objects.Port))
}

func restartsOf(pod *corev1.Pod) int {
	if c := serverOf(pod); c != nil {
		return int(c.RestartCount)
	}
	return 0
}

// serverOf is the status of the server's container, or nil before it has one.
func serverOf(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == objects.Container {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}
