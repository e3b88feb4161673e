package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
)

// forgetful is a server that can lose all its sessions.
type forgetful struct {
	url     string
	handler atomic.Pointer[mcp.StreamableHTTPHandler]
	server  *mcp.Server
	levels  chan string
	calls   atomic.Int32
}

func startForgetful(t *testing.T, opts *mcp.StreamableHTTPOptions) *forgetful {
	t.Helper()
	f := &forgetful{levels: make(chan string, 9)}
	f.server = mcp.NewServer(&mcp.Implementation{Name: "remote", Version: "1"}, &mcp.ServerOptions{
		SubscribeHandler:   func(_ context.Context, r *mcp.SubscribeRequest) error { f.levels <- r.Params.URI; return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	f.server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
			if p, ok := r.GetParams().(*mcp.SetLoggingLevelParams); ok {
				f.levels <- string(p.Level)
			}
			return next(ctx, method, r)
		}
	})
	f.server.AddResource(&mcp.Resource{Name: "r", URI: "test://r"}, nil)
	mcp.AddTool(f.server, &mcp.Tool{Name: "count"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(f.calls.Add(1))}}}, nil, nil
	})
	f.lose(opts)
	f.url = upstream(t, func(w http.ResponseWriter, r *http.Request) { f.handler.Load().ServeHTTP(w, r) })
	t.Cleanup(func() { // before the server waits for its streams
		for s := range f.server.Sessions() {
			_ = s.Close()
		}
	})
	return f
}

func (f *forgetful) lose(opts *mcp.StreamableHTTPOptions) {
	for s := range f.server.Sessions() {
		_ = s.Close()
	}
	f.handler.Store(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return f.server }, opts))
}

// events counts what happened to sessions.
type events struct {
	mu  sync.Mutex
	got map[string]int
}

func (e *events) add(event string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got[event]++
}

func (e *events) count(event string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got[event]
}

// keeping makes sessions outlive the server's.
func keeping(t *testing.T, dir string, counted *events) func(*remote.Config) {
	t.Helper()
	keeper, err := recovery.Open(bytes.Repeat([]byte("k"), 32), dir)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *remote.Config) {
		c.Recovery = keeper
		if counted != nil {
			counted.got = map[string]int{}
			c.Event = counted.add
		}
	}
}

func dial(t *testing.T, target string) *mcp.ClientSession {
	t.Helper()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).
		Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: target + "/mcp"}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func count(t *testing.T, session *mcp.ClientSession, want string) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "count"})
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != want {
		t.Errorf("got %v, want %s", text, want)
	}
}

func TestSessionOutlivesTheServers(t *testing.T) {
	f := startForgetful(t, nil)
	var counted events
	p, target := bridge(t, f.url, keeping(t, t.TempDir(), &counted))
	session := dial(t, target)
	count(t, session, "1")
	if err := session.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "debug"}); err != nil {
		t.Fatal(err)
	}
	if err := session.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "test://r"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"debug", "test://r"} {
		if got := <-f.levels; got != want {
			t.Errorf("the server was told %s, want %s", got, want)
		}
	}
	for n := 2; n < 4; n++ {
		f.lose(nil)
		count(t, session, fmt.Sprint(n))
		for _, want := range []string{"debug", "test://r"} {
			if got := <-f.levels; got != want {
				t.Errorf("the server was told %s again, want %s", got, want)
			}
		}
	}
	if n := counted.count("recovered"); n < 2 || p.Sessions() != 1 || counted.count("lost") != 0 {
		t.Errorf("%+v, %d sessions", counted.got, p.Sessions())
	}
	if err := session.Close(); err != nil || counted.count("closed") != 1 {
		t.Errorf("%v, %+v", err, counted.got)
	}
}

const (
	hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	list  = `{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}`
)

var typed = []string{"Content-Type: application/json", "Accept: application/json, text/event-stream"}

func in(session string, more ...string) []string {
	return append(append([]string{"Mcp-Session-Id: " + session}, typed...), more...)
}

// born is the id of a new session.
func born(t *testing.T, target string, headers ...string) string {
	t.Helper()
	resp, body := post(t, target, hello, append(headers, typed...)...)
	id := resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != 200 || id == "" {
		t.Fatalf("initialize: %d %s", resp.StatusCode, body)
	}
	return id
}

func TestAnotherBridgeGoesOn(t *testing.T) {
	f := startForgetful(t, nil)
	_, first := bridge(t, f.url, keeping(t, t.TempDir(), nil))
	_, second := bridge(t, f.url, keeping(t, t.TempDir(), nil))
	ann := "X-Mooring-Principal: ann"
	id := born(t, first, ann)
	for i, lost := range []bool{false, true} {
		if lost {
			f.lose(nil)
		}
		for _, target := range []string{second, first} {
			if resp, body := post(t, target, list, in(id, ann)...); resp.StatusCode != 200 || !strings.Contains(body, `"count"`) {
				t.Errorf("%d: %d %s", i, resp.StatusCode, body)
			}
			if resp, _ := post(t, target, list, in(id, "X-Mooring-Principal: bob")...); resp.StatusCode != 404 {
				t.Errorf("another user is answered %d", resp.StatusCode)
			}
		}
	}
	if resp, _ := post(t, second, list, in("forged", ann)...); resp.StatusCode != 404 {
		t.Errorf("a forged id is answered %d", resp.StatusCode)
	}
}

func do(t *testing.T, method, target string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestAnEndedSessionStaysEnded(t *testing.T) {
	f := startForgetful(t, nil)
	dir := t.TempDir()
	_, target := bridge(t, f.url, keeping(t, dir, nil))
	for _, lost := range []bool{false, true} {
		id := born(t, target)
		if lost {
			f.lose(nil)
		}
		if resp := do(t, http.MethodDelete, target, in(id)...); resp.StatusCode != 204 {
			t.Errorf("DELETE: %d", resp.StatusCode)
		}
		_, again := bridge(t, f.url, keeping(t, dir, nil))
		for _, to := range []string{target, again} {
			if resp, _ := post(t, to, list, in(id)...); resp.StatusCode != 404 {
				t.Errorf("an ended session is answered %d", resp.StatusCode)
			}
		}
	}
}

func TestWhatCannotBeGoneOnWith(t *testing.T) {
	f := startForgetful(t, nil)
	var gone atomic.Bool
	server := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		f.handler.Load().ServeHTTP(w, r)
	})
	var counted events
	_, target := bridge(t, server, keeping(t, t.TempDir(), &counted))
	id := born(t, target)
	gone.Store(true)
	if resp, body := post(t, target, list, in(id)...); resp.StatusCode != 404 || !strings.Contains(body, `"id":2`) || counted.count("lost") != 1 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	gone.Store(false)
	f.lose(nil)
	// The client agreed on another version than the server would now.
	if resp, _ := post(t, target, list, in(id, "Mcp-Protocol-Version: 2025-06-18")...); resp.StatusCode != 404 {
		t.Errorf("another version: %d", resp.StatusCode)
	}
}

// TestMissingMethodIsNoLostSession: some servers answer 404 for it.
func TestMissingMethodIsNoLostSession(t *testing.T) {
	var births atomic.Int32
	server := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Mcp-Session-Id") == "" {
			births.Add(1)
			w.Header().Set("Mcp-Session-Id", "s")
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`))
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"m"}}`))
	})
	_, target := bridge(t, server, keeping(t, t.TempDir(), nil))
	if resp, body := post(t, target, list, in(born(t, target))...); resp.StatusCode != 404 || !strings.Contains(body, "-32601") || births.Load() != 1 {
		t.Errorf("%d %s, %d births", resp.StatusCode, body, births.Load())
	}
}

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

// TestManyRequestsBeginOneSession: all find out at once that it is lost.
func TestManyRequestsBeginOneSession(t *testing.T) {
	f := startForgetful(t, nil)
	var counted events
	_, target := bridge(t, f.url, keeping(t, t.TempDir(), &counted))
	id := born(t, target)
	f.lose(nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			resp, body := post(t, target, strings.Replace(list, "2,", fmt.Sprint(i+10, ","), 1), in(id)...)
			if resp.StatusCode != 200 {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	all.Wait()
	if n := counted.count("recovered"); n != 1 {
		t.Errorf("%d sessions were begun", n)
	}
}

func TestLoopIsDetected(t *testing.T) {
	var front atomic.Pointer[http.Handler]
	// A proxy of somebody else, whose address nobody refuses.
	third := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*front.Load()).ServeHTTP(w, r) }))
	defer third.Close()
	p, target := bridge(t, third.URL+"/mcp", nil)
	h := http.Handler(p)
	front.Store(&h)
	resp, body := post(t, target, hello, typed...)
	if resp.StatusCode != http.StatusLoopDetected || !strings.Contains(body, `"jsonrpc"`) {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	// Bridges of others on the way are none, unless there is no end of them.
	_, through := bridge(t, upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		if hops := r.Header.Values("Cdn-Loop"); len(hops) != 2 || !strings.HasPrefix(hops[1], "mooring-") {
			t.Errorf("the server sees %q", hops)
		}
	}), nil)
	if resp, _ := post(t, through, "{}", "CDN-Loop: other, mooring-0123; v=1"); resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
	if resp, _ := post(t, through, "{}", "CDN-Loop: "+strings.Repeat("mooring-0,", 16)); resp.StatusCode != http.StatusLoopDetected {
		t.Errorf("got %d", resp.StatusCode)
	}
}
