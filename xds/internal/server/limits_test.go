package server_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// slow is a replica whose answers do not end.
func (g *gateway) slow(id string, asked chan<- string) adapters.Instance {
	g.serve(id, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Only then does the server notice that the other side has gone.
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if r.Method == http.MethodGet || r.Header.Get("Mcp-Protocol-Version") == "2026-07-28" && r.Header.Get("Mcp-Method") == "subscriptions/listen" {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
		}
		asked <- r.Method
		<-r.Context().Done()
	}))
	return adapters.Instance{ID: id, Address: g.socket(id), State: adapters.InstanceReady}
}

func (g *gateway) limited(name string, limits adapters.TrafficLimits, instances ...adapters.Instance) adapters.Adapter {
	g.t.Helper()
	a := g.add(name, instances...)
	a.Limits = &limits
	a, err := g.store.Update(g.t.Context(), a, a.Revision)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// TestConcurrentRequests holds that an adapter at its limit answers 503 at once,
// and that another serves as ever.
func TestConcurrentRequests(t *testing.T) {
	const most = 3
	g := newGateway(t, nil)
	asked := make(chan string, 100)
	full := g.limited("full", adapters.TrafficLimits{ConcurrentRequests: most}, g.slow("r", asked), g.slow("s", asked))
	other := g.add("other", g.replica("o"))
	g.startEnvoy()
	g.awaitProgrammed(full, "True")
	g.awaitProgrammed(other, "True")
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for range most {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.listen+"/adapters/full/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		<-asked
	}
	for range 10 {
		start := time.Now()
		got := g.ask("POST", "/adapters/full/mcp")
		wantError(t, got, 503, -32603)
		if got.header.Get("Retry-After") != "1" || time.Since(start) > patience/2 {
			t.Errorf("after %v: %v", time.Since(start), got)
		}
		if got := g.ask("POST", "/adapters/other/mcp"); got.status != 200 {
			t.Errorf("the other adapter: %v", got)
		}
	}
}

// TestRequestTimeout holds that a request ends with 504 in time, and that no
// stream of server messages does.
func TestRequestTimeout(t *testing.T) {
	g := newGateway(t, nil)
	asked := make(chan string, 100)
	a := g.limited("one", adapters.TrafficLimits{RequestTimeoutSeconds: 1}, g.slow("r", asked))
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	streams := []*http.Response{}
	for _, of := range []struct {
		method  string
		headers http.Header
	}{
		{http.MethodGet, http.Header{}},
		{http.MethodGet, http.Header{"Mcp-Session-Id": {"s"}}},
		{http.MethodPost, http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"subscriptions/listen"}}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), of.method, "http://"+g.listen+"/adapters/one/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = of.headers
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		streams = append(streams, res)
	}
	for _, headers := range [][]string{
		nil,
		{"Mcp-Session-Id", "s"},
		{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call"},
		{"Mcp-Protocol-Version", "2025-11-25", "Mcp-Method", "subscriptions/listen"},
	} {
		start := time.Now()
		wantError(t, g.ask("POST", "/adapters/one/mcp", headers...), 504, -32603)
		if took := time.Since(start); took < 900*time.Millisecond || took > patience/2 {
			t.Errorf("%v: after %v", headers, took)
		}
	}
	for _, res := range streams {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = res.Body.Read(make([]byte, 1)) // an error is its end
		}()
		select {
		case <-ended:
			t.Error("a stream of server messages was cut")
		case <-time.After(100 * time.Millisecond):
			res.Body.Close()
			<-ended
		}
	}
}
