package main

import (
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
