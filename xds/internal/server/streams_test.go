package server_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// atOnce bounds what takes no longer than a message between processes, with room
// for a machine that is busy.
const atOnce = 2 * time.Second

// TestDisconnectReachesUpstream holds that an adapter learns at once that its
// client has gone: to a modern client that is how it cancels.
func TestDisconnectReachesUpstream(t *testing.T) {
	g := newGateway(t, nil)
	asked, gone := make(chan struct{}), make(chan struct{})
	g.serve("r", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Only then does the server notice that the other side has gone.
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if r.Header.Get("X-Test-Silent") == "" {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
		}
		asked <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	a := g.add("one", adapters.Instance{ID: "r", Address: g.socket("r"), State: adapters.InstanceReady})
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	http2 := &http.Transport{Protocols: new(http.Protocols)}
	http2.Protocols.SetUnencryptedHTTP2(true)
	for protocol, transport := range map[string]*http.Transport{"HTTP/1.1": {}, "HTTP/2": http2} {
		t.Cleanup(transport.CloseIdleConnections)
		for name, c := range map[string]struct {
			method string
			header http.Header
		}{
			"legacy stream":   {http.MethodGet, http.Header{"Mcp-Session-Id": {"s"}}},
			"listen":          {http.MethodPost, http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"subscriptions/listen"}}},
			"streamed answer": {http.MethodPost, http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}}},
			"no answer yet":   {http.MethodPost, http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "X-Test-Silent": {"1"}}},
			"birth":           {http.MethodPost, http.Header{"X-Test-Silent": {"1"}}},
		} {
			t.Run(protocol+", "+name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, c.method, "http://"+g.listen+"/adapters/one/mcp", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header = c.header
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					res, err := (&http.Client{Transport: transport}).Do(r)
					if err != nil {
						return // that is what cancelling does before there is an answer
					}
					defer func() { _ = res.Body.Close() }()
					_, _ = io.Copy(io.Discard, res.Body) // ends with the context
				}()
				<-asked
				start := time.Now()
				cancel()
				<-ended
				select {
				case <-gone:
				case <-time.After(patience):
				}
				if took := time.Since(start); took > atOnce {
					t.Errorf("the adapter learned of it after %v", took)
				}
			})
		}
	}
}

// TestHTTP2 holds that a client which begins with HTTP/2, in the clear, is held to
// the same rules.
func TestHTTP2(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r"))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	g.client = &http.Client{Transport: transport, Timeout: patience}
	if got := g.ask("POST", "/adapters/one/mcp"); got.status != 200 {
		t.Errorf("in order: %v", got)
	}
	wantError(t, g.ask("POST", "/adapters/one/mcp", "Host", "evil.example.com"), 421, -32600)
	wantProblem(t, g.ask("POST", "/adapters", "Host", "evil.example.com"), 421)
	wantProblem(t, g.ask("TRACE", "/adapters"), 405)
}
