package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// open opens the session's stream and returns a reader of its events.
func (g *gateway) open(t *testing.T, ctx context.Context, session string) *bufio.Scanner {
	t.Helper()
	r := g.request(t, "/adapters/a/mcp", http.MethodGet, nil, "Mcp-Session-Id", session, "Accept", "text/event-stream")
	res, err := g.client.Do(r.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Mcp-Session-Id") != "" {
		t.Fatalf("stream: %d, session %q", res.StatusCode, res.Header.Get("Mcp-Session-Id"))
	}
	return bufio.NewScanner(res.Body)
}

// upstreamOf is the replica that holds the session.
func (g *gateway) upstreamOf(t *testing.T, session string) *upstream {
	t.Helper()
	name := g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", session).seen(t).Upstream
	for _, u := range g.upstreams {
		if u.name == name {
			return u
		}
	}
	t.Fatalf("no upstream %q", name)
	return nil
}

// event makes the upstream send an event and holds that the client gets it.
func event(t *testing.T, u *upstream, events *bufio.Scanner, text string) {
	t.Helper()
	select {
	case u.events <- text:
	case <-time.After(10 * time.Second):
		t.Fatal("the upstream's stream has ended")
	}
	for events.Scan() {
		if events.Text() == "data: "+text {
			return
		}
	}
	t.Fatalf("the client's stream has ended: %v", events.Err())
}

func TestStreamOutlivesExtproc(t *testing.T) {
	g := newGateway(t)
	session := g.initialize(t)
	u := g.upstreamOf(t, session)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := g.open(t, ctx, session)
	event(t, u, events, "before")

	active := string(g.envoy.AdminGet("/stats?filter=^cluster.mooring.internal.extproc.upstream_rq_active$"))
	if !strings.HasSuffix(active, ": 0\n") {
		t.Errorf("while a stream is open extproc is still asked: %s", active)
	}
	g.kill(t)
	event(t, u, events, "while it is dead")
	g.start(t)
	event(t, u, events, "after")
	g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", session).seen(t)

	cancel()
	select {
	case <-u.closed:
	case <-time.After(10 * time.Second):
		t.Error("the upstream does not learn that the client has gone")
	}
}

func TestDeleteEndsASession(t *testing.T) {
	g := newGateway(t)
	session := g.initialize(t)
	if s := g.do(t, http.MethodDelete, "", "Mcp-Session-Id", session).seen(t); !strings.HasPrefix(s.Header.Get("Mcp-Session-Id"), "up-") {
		t.Errorf("the upstream saw %+v", s)
	}
	_, metrics, err := unixGet(g.ops, "/metrics")
	if err != nil || !strings.Contains(metrics, `mooring_sessions_total{adapter="a",event="closed"} 1`) {
		t.Errorf("metrics: %v %s", err, metrics)
	}
}
