package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

const listTools = `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`

func TestSessionIsBornAndPinned(t *testing.T) {
	g := newGateway(t)
	used := map[string]bool{}
	for range 8 {
		id := g.initialize(t)
		first := g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", id).seen(t)
		used[first.Upstream] = true
		for range 5 {
			a := g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", id)
			s := a.seen(t)
			if s.Upstream != first.Upstream || s.Header.Get("Mcp-Session-Id") != first.Header.Get("Mcp-Session-Id") {
				t.Errorf("session moved from %+v to %+v", first, s)
			}
			if !strings.HasPrefix(s.Header.Get("Mcp-Session-Id"), "up-"+s.Upstream) {
				t.Errorf("upstream saw the id %q", s.Header.Get("Mcp-Session-Id"))
			}
			for name := range a.header {
				if strings.HasPrefix(name, "X-Mooring-") || name == "Mcp-Session-Id" {
					t.Errorf("the client saw %s: %s", name, a.header[name])
				}
			}
		}
	}
	if len(used) != 2 {
		t.Errorf("all sessions went to %v", used)
	}
	g.accessLog(t, func(j contract.Judged) bool {
		return j.Method == "tools/list" && j.Era == "legacy" && j.Verdict == contract.VerdictAllow && len(j.Session) == 16 && len(j.Principal) == 16
	})
}
