package settings

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What ScaleToZero is filled in with.
const (
	DefaultWakeTimeout    = time.Minute
	DefaultHeldRequests   = 1000
	DefaultHeldPerAdapter = 100
)

const (
	// minIdle leaves time to see that nobody calls: Envoys are asked now and then.
	minIdle = 10 * time.Second
	maxIdle = 30 * 24 * time.Hour
	// maxWakeTimeout is below what proxies between clients and Envoy may wait.
	minWakeTimeout = time.Second
	maxWakeTimeout = 5 * time.Minute
	maxHeld        = 10_000
)

// AnnotationIdleAfter is ScaleToZero.After for one adapter, in the form of Go's
// durations. 0s means never.
const AnnotationIdleAfter = "mooring.dev/scale-to-zero-after"

// ScaleToZero says when adapters that nobody uses have no pods, and how requests
// are held while a pod starts. Read fills in what is not set.
type ScaleToZero struct {
	// After is how long an adapter must have had no request and no open stream
	// until its pods end. Zero means never: nothing of this happens then.
	After metav1.Duration `json:"after"`
	// WakeTimeout bounds how long a request is held for a pod to serve it. Absent
	// means DefaultWakeTimeout.
	WakeTimeout metav1.Duration `json:"wakeTimeout"`
	// HeldRequests bounds how many requests each control plane holds at a time.
	// Absent means DefaultHeldRequests.
	HeldRequests int `json:"heldRequests,omitempty"`
	// HeldPerAdapter bounds how many of them are one adapter's. Absent means
	// DefaultHeldPerAdapter.
	HeldPerAdapter int `json:"heldPerAdapter,omitempty"`
}

// On reports whether any adapter may sleep.
func (s ScaleToZero) On() bool { return s.After.Duration > 0 }

// IdleAfter is After for an adapter whose object has these annotations. What is
// not a duration that After could have means never: nobody is to lose pods by a
// slip.
func (s ScaleToZero) IdleAfter(annotations map[string]string) time.Duration {
	text, said := annotations[AnnotationIdleAfter]
	if !said || !s.On() {
		return s.After.Duration
	}
	after, err := time.ParseDuration(text)
	if err != nil || after < minIdle || after > maxIdle {
		return 0
	}
	return after
}

func (s *ScaleToZero) fill() {
	if s.WakeTimeout.Duration == 0 {
		s.WakeTimeout.Duration = DefaultWakeTimeout
	}
	if s.HeldRequests == 0 {
		s.HeldRequests = DefaultHeldRequests
	}
	if s.HeldPerAdapter == 0 {
		s.HeldPerAdapter = min(DefaultHeldPerAdapter, s.HeldRequests)
	}
}

func (s ScaleToZero) validate(f *faults) {
	if after := s.After.Duration; after != 0 && (after < minIdle || after > maxIdle) {
		f.add("scaleToZero.after: it must be 0, or from %s to %s", minIdle, maxIdle)
	}
	if hold := s.WakeTimeout.Duration; hold < minWakeTimeout || hold > maxWakeTimeout {
		f.add("scaleToZero.wakeTimeout: it must be from %s to %s", minWakeTimeout, maxWakeTimeout)
	}
	if s.HeldRequests < 1 || s.HeldRequests > maxHeld {
		f.add("scaleToZero.heldRequests: it must be from 1 to %d", maxHeld)
	}
	if s.HeldPerAdapter < 1 || s.HeldPerAdapter > s.HeldRequests {
		f.add("scaleToZero.heldPerAdapter: it must be from 1 to heldRequests")
	}
}
