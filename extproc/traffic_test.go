package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// counted is how many requests the metrics have with those labels.
func (g *gateway) counted(labels string) int {
	_, body, err := unixGet(g.ops, "/metrics")
	if err != nil {
		return -1
	}
	found := regexp.MustCompile(`(?m)^mooring_requests_total\{` + regexp.QuoteMeta(labels) + `\} (\d+)$`).FindStringSubmatch(body)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		return -1
	}
	return n
}

func (g *gateway) awaitCount(t *testing.T, labels string, want int) {
	t.Helper()
	got := -1
	defer func() {
		if t.Failed() {
			t.Logf("%s: %d", labels, got)
		}
	}()
	eventually(t, strconv.Itoa(want)+" requests are counted as "+labels, func() bool {
		got = g.counted(labels)
		return got >= want
	})
	if got != want {
		t.Errorf("%s: %d, not %d", labels, got, want)
	}
}

// TestEveryRequestIsCounted: once, whoever answered it, and what Envoy answered
// while there was no extproc is counted by the next one.
func TestEveryRequestIsCounted(t *testing.T) {
	g := newGateway(t)
	id := g.initialize(t)
	for range 5 {
		g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", id)
	}
	g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", "unknown")
	g.do(t, http.MethodPut, "")
	g.do(t, http.MethodPost, listTools, "Content-Length", "9999999999", "Content-Type", "text/plain")
	g.awaitCount(t, `adapter="a",code="200",method="initialize"`, 1)
	g.awaitCount(t, `adapter="a",code="200",method="tools/list"`, 5)
	g.awaitCount(t, `adapter="a",code="404",method="tools/list"`, 1)
	g.awaitCount(t, `adapter="a",code="405",method="other"`, 1)
	g.awaitCount(t, `adapter="a",code="415",method="unseen"`, 1)

	g.kill(t)
	const away = 30
	for range away {
		if a := g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", id); a.status != http.StatusServiceUnavailable {
			t.Fatalf("without extproc: %d %s", a.status, a.body)
		}
		time.Sleep(100 * time.Millisecond) // Envoy sends its log once a second
	}
	g.start(t)
	g.awaitCount(t, `adapter="a",code="503",method="unseen"`, away)
	g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", id)
	g.awaitCount(t, `adapter="a",code="200",method="tools/list"`, 1)
	g.awaitCount(t, `adapter="a",code="503",method="unseen"`, away)
	if _, body, err := unixGet(g.ops, "/metrics"); err != nil || !strings.Contains(body, "mooring_access_log_dropped_total 0\n") {
		t.Errorf("error %v:\n%s", err, body)
	}
}

// TestRequestsInFlightAreCounted: of a thousand that are open when extproc is
// killed, and end while it is away, each is counted once by the next one. What
// was told of them while they were open counts none.
func TestRequestsInFlightAreCounted(t *testing.T) {
	g := newGateway(t)
	const open, each = 1000, 125 // streams, and those of one session
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var bodies []io.Closer
	var path string
	var who []string
	for i := range open {
		if i%each == 0 {
			path = "/adapters/" + []string{"a", "small"}[i/each%2] + "/mcp"
			who = []string{"X-Dev-UserId", "user" + strconv.Itoa(i), "X-Dev-Roles", "reader"}
			who = append(who, "Mcp-Session-Id", g.doAt(t, path, http.MethodPost, initialize, who...).header.Get("Mcp-Session-Id"))
		}
		res, err := g.client.Do(g.request(t, path, http.MethodGet, nil, who...).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK {
			t.Fatalf("stream %d: %d", len(bodies), res.StatusCode)
		}
		bodies = append(bodies, res.Body)
	}
	// The next extproc knows of them only by what Envoy tells each second.
	g.kill(t)
	g.start(t)
	eventually(t, "the streams are known again", func() bool {
		_, metrics, err := unixGet(g.ops, "/metrics")
		return err == nil && strings.Contains(metrics, `mooring_streams_active{adapter="a"} 500`) && strings.Contains(metrics, `mooring_streams_active{adapter="small"} 500`)
	})
	g.kill(t)
	leave()
	for _, body := range bodies {
		body.Close()
		select {
		case <-g.upstreams[0].closed:
		case <-g.upstreams[1].closed:
		}
	}
	g.start(t)
	for range 2 {
		g.awaitCount(t, `adapter="a",code="200",method="GET"`, open/2)
		g.awaitCount(t, `adapter="small",code="200",method="GET"`, open/2)
		g.doAt(t, path, http.MethodPost, listTools, who...)
	}
	g.awaitCount(t, `adapter="small",code="200",method="tools/list"`, 2)
}
