package remote_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

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
