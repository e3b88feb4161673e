package mcphttp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeChild is a server process whose messages the test reads and writes.
type fakeChild struct {
	in      chan string // what clients sent
	out     chan string // what the server says
	stopped chan struct{}
	once    sync.Once
	ended   chan struct{}
}

var errEnded = errors.New("ended")

func (c *fakeChild) Send(message []byte) error {
	select {
	case c.in <- string(message):
		return nil
	case <-c.stopped:
		return errEnded
	case <-c.ended:
		return errEnded
	}
}

func (c *fakeChild) Receive() (message []byte, cut bool, err error) {
	select {
	case text := <-c.out:
		text, cut := strings.CutSuffix(text, "<CUT>")
		return []byte(text), cut, nil
	case <-c.stopped:
	case <-c.ended:
	}
	return nil, false, errEnded
}

func (c *fakeChild) Stop()                  { c.once.Do(func() { close(c.stopped) }) }
func (c *fakeChild) Ending() (string, bool) { return "exited with code 7", true }

// bridge is a Handler under test, with the children that it started.
type bridge struct {
	t        *testing.T
	url      string
	handler  *mcphttp.Handler
	children chan *fakeChild
	reg      *prometheus.Registry
	born     chan bool
	last     *fakeChild
}

func serve(t *testing.T, change func(*mcphttp.Config)) *bridge {
	t.Helper()
	b := &bridge{t: t, children: make(chan *fakeChild, 100), reg: prometheus.NewRegistry(), born: make(chan bool, 100)}
	cfg := mcphttp.Config{
		Start: func() (mcphttp.Child, error) {
			c := &fakeChild{in: make(chan string, 100), out: make(chan string), stopped: make(chan struct{}), ended: make(chan struct{})}
			b.children <- c
			return c, nil
		},
		Born: func(ok bool) { b.born <- ok },
		Log:  slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	b.handler = mcphttp.New(cfg, b.reg)
	server := httptest.NewServer(b.handler)
	b.url = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.handler.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		server.CloseClientConnections()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return b
}

// answer is an HTTP answer; events are read from it as they come.
type answer struct {
	t *testing.T
	*http.Response
	lines *bufio.Scanner
}

// do sends a request; headers are "Name: value".
func (b *bridge) do(method, body string, headers ...string) *answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = resp.Body.Close() })
	return &answer{b.t, resp, bufio.NewScanner(resp.Body)}
}

func (a *answer) body() string {
	a.t.Helper()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// sse is one server-sent event.
type sse struct{ id, retry, data string }

// next returns the next event; comments are passed over. ok is false at the end
// of the stream.
func (a *answer) next() (e sse, ok bool) {
	a.t.Helper()
	seen := false
	for a.lines.Scan() {
		name, value, _ := strings.Cut(a.lines.Text(), ": ")
		switch name {
		case "id":
			e.id, seen = value, true
		case "retry":
			e.retry, seen = value, true
		case "data", "data:":
			e.data, seen = value, true
		case "":
			if a.lines.Text() == "" && seen {
				return e, true
			}
		}
	}
	return e, false
}

// data returns the data of the next event that has any.
func (a *answer) data() string {
	a.t.Helper()
	for {
		e, ok := a.next()
		if !ok {
			a.t.Fatal("the stream ended")
		}
		if e.data != "" {
			return e.data
		}
	}
}

// message is the answer's only message: its body, or what its stream brings
// where the bridge had no patience for a body.
func (a *answer) message() string {
	a.t.Helper()
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") {
		return a.data()
	}
	return a.body()
}

const (
	initialize  = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`
	initialized = `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}`
)

// client is a session under test.
type client struct {
	*bridge
	child  *fakeChild
	header string
	ids    map[string]string // as the server knows them, by the client's
}

// anID finds the id of a message, and the requestId of a cancellation.
var anID = regexp.MustCompile(`("id"|"requestId"): ?("[^"]*"|[^,} ]+)`)

// withID is the message with its id replaced, unless it has none.
func withID(message, id string) string {
	return anID.ReplaceAllString(message, "${1}:"+id)
}

func idOf(message string) string {
	if found := anID.FindStringSubmatch(message); found != nil {
		return found[2]
	}
	return ""
}

// connect begins a session.
func (b *bridge) connect() *client {
	b.t.Helper()
	return b.connectAs(initialized)
}

func (b *bridge) connectAs(reply string) *client {
	b.t.Helper()
	answers := make(chan *answer, 1)
	go func() { answers <- b.do("POST", initialize) }()
	c := &client{bridge: b, child: <-b.children, ids: make(map[string]string)}
	c.expect(initialize)
	c.say(reply)
	a := <-answers
	if got := a.message(); a.StatusCode != 200 || got != reply {
		b.t.Fatalf("initialize: %d %s", a.StatusCode, got)
	}
	c.header = "Mcp-Session-Id: " + a.Header.Get("Mcp-Session-Id")
	return c
}

// post sends a message of the session, without waiting for the answer.
func (c *client) post(message string, headers ...string) <-chan *answer {
	answers := make(chan *answer, 1)
	go func() { answers <- c.do("POST", message, append(headers, c.header)...) }()
	return answers
}

// expect waits for the message to arrive at the server, whatever id it has
// there.
func (c *client) expect(message string) {
	c.t.Helper()
	select {
	case got := <-c.child.in:
		id := idOf(got)
		if strings.Contains(message, `"method"`) {
			c.ids[idOf(message)] = id
			message = withID(message, id)
		}
		if got != message {
			c.t.Fatalf("the server got %s, want %s", got, message)
		}
	case <-time.After(10 * time.Second):
		c.t.Fatalf("the server never got %s", message)
	}
}

// arrived waits for a request to arrive at the server, which the client gave
// that id.
func (c *client) arrived(id string) {
	c.t.Helper()
	c.ids[id] = idOf(wait(c.t, c.child.in))
}

// say makes the server write the message; the id of an answer is as the client
// knows it.
func (c *client) say(message string) {
	c.t.Helper()
	if id := c.ids[idOf(message)]; id != "" && !strings.Contains(message, `"method"`) {
		message = withID(message, id)
	}
	select {
	case c.child.out <- message:
	case <-time.After(10 * time.Second):
		c.t.Fatalf("nobody read %s", message)
	}
}

func wait[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
