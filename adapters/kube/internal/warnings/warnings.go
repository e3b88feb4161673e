// Package warnings keeps what Kubernetes warns of in a namespace: the events that
// its controllers and nodes write about StatefulSets, pods and claims of volumes,
// which say what the status of those does not. It keeps little of each and of few,
// and knows nothing of adapters.
package warnings

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Stands is how long a warning holds that is not repeated. What fails is tried
// again after 17 minutes at most, and the API server forgets events after an hour.
const Stands = 30 * time.Minute

// The kinds of objects that warnings are about.
const (
	StatefulSet = "StatefulSet"
	Pod         = "Pod"
	Claim       = "PersistentVolumeClaim"
)

// The reasons of warnings that readers ask for by name.
const (
	// FailedCreate is about a StatefulSet of which a pod cannot be made.
	FailedCreate = "FailedCreate"
	// Unhealthy is about a pod of which a probe failed.
	Unhealthy = "Unhealthy"
)

// maxMessage is how much of a message is kept, in bytes.
const maxMessage = 1 << 10

// combined stands before messages in the place of several that are alike.
const combined = "(combined from similar events): "

// About names an object that warnings are about, in whichever of its lives.
type About struct{ Kind, Name string }

// Warning is one.
type Warning struct {
	// Object is the life of the object that it is about.
	Object types.UID
	// Reason is a word, and Message a sentence of 1 KiB at most, which may hold
	// anything.
	Reason, Message string
	// First and Last are when it was given for the first and the last time.
	First, Last time.Time

	// event names the event in Kubernetes.
	event string
}

// read is what an event warns of. It is not ok where that is of no interest.
func read(e *corev1.Event) (about About, w Warning, ok bool) {
	about = About{Kind: e.InvolvedObject.Kind, Name: e.InvolvedObject.Name}
	if e.Type != corev1.EventTypeWarning || !followed(about.Kind) || said(about.Kind, e.Reason) {
		return About{}, Warning{}, false
	}
	message := strings.TrimSpace(strings.TrimPrefix(strings.ToValidUTF8(e.Message, ""), combined))
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "")
	}
	// What is kept must not hold on to all of the event.
	w = Warning{
		Object: e.InvolvedObject.UID, Reason: strings.Clone(e.Reason), Message: strings.Clone(message),
		First: first(e), Last: last(e), event: e.Name,
	}
	return about, w, true
}

func followed(kind string) bool { return kind == StatefulSet || kind == Pod || kind == Claim }

// said reports whether the object's status says the same, and whether it still is
// so, or whether it says nothing of what keeps the object from working.
func said(kind, reason string) bool {
	if kind != Pod {
		return false
	}
	return slices.Contains([]string{
		"FailedScheduling", "Failed", "BackOff", "ErrImageNeverPull", "InspectFailed", "Evicted", "Preempted", "NodeNotReady", // the status says it
		"DNSConfigForming", "FailedKillPod", "FailedPreStopHook", "TopologyAffinityError", // it starts all the same, it ends, or the status says it
	}, reason)
}

// first is when the event happened first.
func first(e *corev1.Event) time.Time {
	for _, at := range []time.Time{e.FirstTimestamp.Time, e.EventTime.Time} {
		if !at.IsZero() {
			return at
		}
	}
	return e.CreationTimestamp.Time
}

// last is when it did last.
func last(e *corev1.Event) time.Time {
	at := first(e)
	if e.LastTimestamp.After(at) {
		at = e.LastTimestamp.Time
	}
	if e.Series != nil && e.Series.LastObservedTime.After(at) {
		at = e.Series.LastObservedTime.Time
	}
	return at
}
