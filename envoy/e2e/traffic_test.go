package e2e

import (
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestTraffic: the status of an adapter says what came to it.
func TestTraffic(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	a := m.Initialize("a") // and its notification
	for range 7 {
		a.MustCall("who")
	}
	a.With("unknown").Post(listTools)
	want := func(what string, enough func(adapters.Traffic) bool) {
		t.Helper()
		var last *adapters.Traffic
		defer func() {
			if t.Failed() {
				t.Logf("the last traffic: %+v", last)
			}
		}()
		m.Await(what, 20*time.Second, func() bool {
			last = m.Status("a").Traffic
			return last != nil && enough(*last)
		})
	}
	want("10 requests", func(now adapters.Traffic) bool {
		return now.Requests == 10 && now.Errors == 0 && now.Refused == 1 && now.Sessions == 1 &&
			now.WindowSeconds > 0 && now.P50Seconds != nil && now.P99Seconds != nil && *now.P50Seconds <= *now.P99Seconds
	})
}
