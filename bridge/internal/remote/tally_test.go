package remote_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mooring-mcp/mooring/bridge/internal/remote"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

const (
	callTool  = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"}}`
	listTools = `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`
	fine      = `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`
	failing   = `{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true}}`
	refusing  = `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no"}}`
	progress  = `{"jsonrpc":"2.0","method":"notifications/progress","params":{}}`
	stream    = "text/event-stream"
)

// tallying is a bridge to a server, and what it has counted.
func tallying(t *testing.T, h http.HandlerFunc) (target string, meter *tools.Meter, reg *prometheus.Registry) {
	t.Helper()
	reg = prometheus.NewPedanticRegistry()
	meter = tools.NewMeter(reg)
	_, target = bridge(t, upstream(t, h), func(c *remote.Config) { c.Tools = meter })
	return target, meter, reg
}

func wantCalls(t *testing.T, reg *prometheus.Registry, tool string, outcome tools.Outcome) {
	t.Helper()
	want := fmt.Sprintf("# HELP mooring_bridge_tool_calls_total Tool calls by tool and by how they came out.\n"+
		"# TYPE mooring_bridge_tool_calls_total counter\nmooring_bridge_tool_calls_total{outcome=%q,tool=%q} 1\n", outcome, tool)
	// The client may have its answer before this side is done with it.
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err = testutil.GatherAndCompare(reg, strings.NewReader(want), "mooring_bridge_tool_calls_total"); err == nil {
			return
		}
	}
	t.Error(err)
}

func TestToolCallsAreCounted(t *testing.T) {
	long := `{"jsonrpc":"2.0","id":7,"result":{"content":"` + strings.Repeat("x", 2<<20) + `"}}`
	for name, test := range map[string]struct {
		status    int
		kind      string
		body      string
		tool      string
		want      tools.Outcome
		encodings string
	}{
		"json":                   {200, "application/json", fine, "echo", tools.OK, ""},
		"json that fails":        {200, "application/json", failing, "other", tools.ToolError, ""},
		"json with an error":     {200, "application/json", refusing, "other", tools.Error, ""},
		"refused":                {400, "application/json", refusing, "other", tools.Error, ""},
		"refused in other words": {503, "text/plain", "busy", "other", tools.Error, ""},
		"wants credentials":      {401, "text/plain", "", "other", tools.Error, ""},
		"no answer":              {200, "application/json", `{}`, "other", tools.Lost, ""},
		"long":                   {200, "application/json", long, "other", tools.Unseen, ""},
		"coded":                  {200, "application/json", "?", "other", tools.Unseen, "br"},
		"stream":                 {200, stream, ": ok\n\ndata: " + progress + "\n\ndata: " + fine + "\n\n", "echo", tools.OK, ""},
		"stream of CR and LF":    {200, stream, "event: message\r\ndata: " + failing + "\r\n\r\n", "other", tools.ToolError, ""},
		"stream in pieces":       {200, stream, "data: {\"jsonrpc\":\"2.0\",\r\ndata:\"id\":7,\"result\":{}}\r\n\r\n", "echo", tools.OK, ""},
		"stream of another":      {200, stream, "data: " + strings.Replace(fine, "7", "8", 1) + "\n\n", "other", tools.Lost, ""},
		"stream to be resumed":   {200, stream, "id: 1\ndata: " + progress + "\n\n", "other", tools.Unseen, ""},
		"long in a stream":       {200, stream, "data: " + long + "\n\n", "other", tools.Unseen, ""},
		"long notification":      {200, stream, "data: " + strings.Replace(long, `"id":7`, `"method":"m"`, 1) + "\n\ndata: " + failing + "\n\n", "other", tools.ToolError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			target, _, reg := tallying(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.kind)
				if test.encodings != "" {
					w.Header().Set("Content-Encoding", test.encodings)
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			})
			resp, body := post(t, target, callTool, "Content-Type: application/json")
			if test.status != 401 && (resp.StatusCode != test.status || body != test.body) {
				t.Errorf("status %d, %d bytes", resp.StatusCode, len(body))
			}
			wantCalls(t, reg, test.tool, test.want)
		})
	}
}

func TestCallsWithoutAnswerAreCounted(t *testing.T) {
	t.Run("lost", func(t *testing.T) {
		target, _, reg := tallying(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		post(t, target, callTool)
		wantCalls(t, reg, "other", tools.Lost)
	})
	t.Run("cancelled", func(t *testing.T) {
		begun := make(chan struct{})
		target, _, reg := tallying(t, func(_ http.ResponseWriter, r *http.Request) {
			// Before that it is not seen that the other side has gone.
			_, _ = io.Copy(io.Discard, r.Body)
			close(begun)
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-begun
			cancel()
		}()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(callTool))
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Error("a cancelled request is answered")
		}
		wantCalls(t, reg, "other", tools.Cancelled)
	})
}

func TestToolsOfARemoteServerAreLearnt(t *testing.T) {
	const result = `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"who"},{"name":"echo"}]}}`
	for kind, body := range map[string]string{"application/json": result, stream: "data: " + result + "\n\n"} {
		target, meter, reg := tallying(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write([]byte(body))
		})
		if meter.List() != nil {
			t.Error("tools are known before they are listed")
		}
		post(t, target, listTools)
		if got := meter.List(); !slices.Equal(got, []string{"echo", "who"}) {
			t.Errorf("%s: %q", kind, got)
		}
		if n, err := testutil.GatherAndCount(reg); n != 0 || err != nil {
			t.Errorf("%s: a list counts as a call: %d series, error %v", kind, n, err)
		}
	}
}
