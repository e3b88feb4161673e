package remote_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestLostCallIsAnsweredOnce cuts a stream in the middle of a call: where its
// events have ids the client comes back and is told; where they have none it is
// told at once. Nothing is run twice.
func TestLostCallIsAnsweredOnce(t *testing.T) {
	for _, id := range []string{"", "id: e1\n"} {
		var calls, births atomic.Int32
		server := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			text := new(bytes.Buffer)
			_, _ = text.ReadFrom(r.Body)
			switch {
			case strings.Contains(text.String(), "initialize\""):
				w.Header().Set("Mcp-Session-Id", fmt.Sprint("s", births.Add(1)))
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`))
			case strings.Contains(text.String(), "notifications/initialized"):
				w.WriteHeader(http.StatusAccepted)
			case r.Header.Get("Mcp-Session-Id") != fmt.Sprint("s", births.Load()) || r.Method == http.MethodGet && births.Load() == 1:
				w.WriteHeader(http.StatusNotFound)
			case r.Method == http.MethodGet:
				w.Header().Set("Content-Type", "text/event-stream")
			default:
				calls.Add(1)
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = w.Write([]byte(id + "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n"))
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
		})
		_, target := bridge(t, server, keeping(t, t.TempDir(), nil))
		session := born(t, target)
		const call = `{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"x"}}`
		_, body := tornPost(t, target, call, in(session)...)
		told := strings.Contains(body, `"id":"c","error"`) && strings.Contains(body, "may or may not have taken effect")
		if told != (id == "") {
			t.Errorf("ids %q: the stream has %q", id, body)
		}
		if id != "" {
			for i, want := range []bool{true, false} {
				_, body := get(t, target, in(session, "Last-Event-Id: e1")...)
				if got := strings.Contains(body, `"id":"c","error"`); got != want {
					t.Errorf("visit %d has %q", i, body)
				}
			}
		}
		if calls.Load() != 1 {
			t.Errorf("the call was run %d times", calls.Load())
		}
	}
}

// tornPost is post for a stream that may be cut.
func tornPost(t *testing.T, target, body string, headers ...string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, req, headers)
}

func get(t *testing.T, target string, headers ...string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, req, headers)
}

func read(t *testing.T, req *http.Request, headers []string) (status int, text string) {
	t.Helper()
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var all bytes.Buffer
	_, _ = all.ReadFrom(resp.Body) // cut, as the test has it
	return resp.StatusCode, all.String()
}
