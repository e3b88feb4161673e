package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/settings"
)

func TestNobodySleepsUnlessAsked(t *testing.T) {
	s, err := settings.Read([]byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	if s.ScaleToZero.On() || s.ScaleToZero.IdleAfter(map[string]string{settings.AnnotationIdleAfter: "1h"}) != 0 {
		t.Errorf("got %+v", s.ScaleToZero)
	}
	if s.ScaleToZero.WakeTimeout.Duration != time.Minute || s.ScaleToZero.HeldRequests != 1000 || s.ScaleToZero.HeldPerAdapter != 100 {
		t.Errorf("got %+v", s.ScaleToZero)
	}
}

func TestIdleAfter(t *testing.T) {
	s, err := settings.Read([]byte(smallest + "scaleToZero: {after: 30m, heldRequests: 50}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s.ScaleToZero.HeldPerAdapter != 50 {
		t.Errorf("one adapter may have %d", s.ScaleToZero.HeldPerAdapter)
	}
	for text, want := range map[string]time.Duration{"10m": 10 * time.Minute, "0s": 0, "0": 0, "soon": 0, "-1h": 0, "1s": 0, "10000h": 0} {
		if got := s.ScaleToZero.IdleAfter(map[string]string{settings.AnnotationIdleAfter: text}); got != want {
			t.Errorf("%q means %s, not %s", text, got, want)
		}
	}
	if got := s.ScaleToZero.IdleAfter(nil); got != 30*time.Minute {
		t.Errorf("got %s", got)
	}
}

func TestScaleToZeroFaults(t *testing.T) {
	for text, want := range map[string]string{
		"{after: 1s}": "scaleToZero.after", "{after: -1h}": "scaleToZero.after", "{wakeTimeout: 1h}": "scaleToZero.wakeTimeout",
		"{heldRequests: -1}": "scaleToZero.heldRequests", "{heldRequests: 5, heldPerAdapter: 6}": "scaleToZero.heldPerAdapter",
	} {
		if _, err := settings.Read([]byte(smallest + "scaleToZero: " + text + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
