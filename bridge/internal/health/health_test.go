package health_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/bridge/internal/health"
)

func serve(t *testing.T, h *health.Health) (int, map[string]any) {
	t.Helper()
	rec := httptest.NewRecorder()
	h.Serve(func() health.Load { return health.Load{Sessions: 2, InFlight: 1} })(rec, httptest.NewRequest("GET", "/readyz", nil))
	var body map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v", rec.Body, err)
	}
	return rec.Code, body
}

func TestReadiness(t *testing.T) {
	h := &health.Health{}
	if code, body := serve(t, h); code != 503 || body["state"] != "Starting" || body["message"] == "" {
		t.Errorf("at first: %d %v", code, body)
	}
	if _, ok := h.Admit(); ok {
		t.Error("a starting bridge admits sessions")
	}
	h.Restarted()
	h.Set(health.Status{State: health.Failed, Reason: health.ReasonCommandExited, Message: "Secret \xff words."})
	code, body := serve(t, h)
	want := map[string]any{
		"state": "Failed", "reason": "CommandExited", "message": "Secret \ufffd words.",
		"sessions": 2.0, "inFlight": 1.0, "restarts": 1.0,
	}
	if diff := cmp.Diff(want, body); code != 503 || diff != "" {
		t.Errorf("%d, -want +got:\n%s", code, diff)
	}
	if refusal, ok := h.Admit(); ok || !strings.Contains(refusal, "CommandExited") || strings.Contains(refusal, "Secret") {
		t.Errorf("clients are told %q", refusal)
	}
	h.Set(health.Status{State: health.Ready})
	if code, body := serve(t, h); code != 200 || body["state"] != "Ready" {
		t.Errorf("ready: %d %v", code, body)
	}
	if refusal, ok := h.Admit(); !ok || refusal != "" {
		t.Errorf("a ready bridge says %q", refusal)
	}
	h.Drain()
	h.Set(health.Status{State: health.Ready})
	if code, body := serve(t, h); code != 503 || body["state"] != "Draining" || body["reason"] != "Draining" {
		t.Errorf("draining: %d %v", code, body)
	}
	if _, ok := h.Admit(); ok {
		t.Error("a draining bridge admits sessions")
	}
}

func TestLive(t *testing.T) {
	rec := httptest.NewRecorder()
	health.Live(rec, httptest.NewRequest("GET", "/healthz", nil))
	if rec.Code != 200 {
		t.Errorf("got %d", rec.Code)
	}
}
