package about_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/about"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	session     = "the id of a session"
	traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	trace       = "0af7651916cd43dd8448eb211c80319c"
)

func request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	r.Header.Set("X-Request-Id", "r1")
	r.Header.Set("Mcp-Session-Id", session)
	r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	r.Header.Set(launch.HeaderPrincipal, "p1")
	r.Header.Set("Traceparent", traceparent)
	return r
}

// TestLog: lines have what is known, and nothing else.
func TestLog(t *testing.T) {
	call := jsonrpc.Message{Method: "tools/call", Name: "who"}
	for name, tt := range map[string]struct {
		request *http.Request
		message jsonrpc.Message
		want    map[string]any
	}{
		"a call": {request(), call, map[string]any{
			"request_id": "r1", "principal": "p1", "session": logging.SessionHash(session), "method": "tools/call", "tool": "who", "trace_id": trace,
		}},
		"another message": {request(), jsonrpc.Message{Method: "prompts/get", Name: "a prompt"}, map[string]any{
			"request_id": "r1", "principal": "p1", "session": logging.SessionHash(session), "method": "prompts/get", "trace_id": trace,
		}},
		"nothing known": {httptest.NewRequest(http.MethodGet, "/mcp", nil), jsonrpc.Message{}, map[string]any{}},
		"too long": {httptest.NewRequest(http.MethodPost, "/mcp", nil), jsonrpc.Message{Method: strings.Repeat("ä", 1000)}, map[string]any{
			"method": strings.Repeat("ä", 64),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log := logging.New(&out, "bridge", slog.LevelInfo, nil)
			if err := log.While(func() error {
				about.Log(log.Logger, tt.request, tt.message).Info("told")
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"time", "level", "msg", "part"} {
				delete(got, key)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(out.String(), session) {
				t.Error("the line has the session's id")
			}
		})
	}
}

func TestMessage(t *testing.T) {
	got := about.Message(request(), jsonrpc.Message{Method: "tools/call", Name: "who"}, "a")
	want := tracing.Message{
		Method: "tools/call", Tool: "who", ProtocolVersion: "2025-11-25", Era: "legacy", Adapter: "a", Principal: "p1", Session: logging.SessionHash(session),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		message   jsonrpc.Message
		want, era string
	}{
		{jsonrpc.Message{MetaVersion: "2026-07-28"}, "2026-07-28", "modern"},
		{jsonrpc.Message{Method: "initialize", ProtocolVersion: "2025-06-18"}, "2025-06-18", "legacy"},
	} {
		if got := about.Message(request(), tt.message, "a"); got.ProtocolVersion != tt.want || got.Era != tt.era {
			t.Errorf("%+v", got)
		}
	}
}

func TestSpan(t *testing.T) {
	if trace, _ := about.Span(request()).IDs(); trace != "" {
		t.Errorf("a span where there is none: %s", trace)
	}
	origin := about.Origin(request(), jsonrpc.Message{})
	if origin.TraceID() != trace {
		t.Errorf("trace %s", origin.TraceID())
	}
	var none *tracing.Tracer
	r := about.With(request(), none.Server(time.Time{}, origin, "x"))
	if trace, _ := about.Span(r).IDs(); trace != "" {
		t.Errorf("a span where there is none: %s", trace)
	}
}

func TestModernVersion(t *testing.T) {
	for version, want := range map[string]bool{"": false, "2025-11-25": false, "2026-07-28": true, "2027-01-01": true, "DRAFT-2026-v9": false, "2026-13-01": false} {
		if got := about.ModernVersion(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}
