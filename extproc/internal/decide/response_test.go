package decide

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
)

func TestResponse(t *testing.T) {
	birth := func(ids ...string) http.Header {
		return http.Header{"Mcp-Session-Id": ids, "X-Mooring-Endpoint": {"ZXA="}}
	}
	nothing := []string{"mcp-session-id"}
	const token = "token:uida:up:ZXA=:ann:"
	for name, c := range map[string]struct {
		head    Head
		message inspect.Message
		status  int
		header  http.Header
		want    Decision
		event   Event
		refused int
	}{
		"birth":                {post(), initialize, 200, birth("up"), Decision{Set: []Field{{"mcp-session-id", token}}}, EventCreated, 0},
		"birth behind Envoy":   {post(), initialize, 200, http.Header{"X-Mooring-Upstream-Session": {"up"}, "X-Mooring-Endpoint": {"ZXA="}}, Decision{Set: []Field{{"mcp-session-id", token}}}, EventCreated, 0},
		"birth by a role":      {post("X-Dev-UserId", "bob", "X-Dev-Roles", "reader"), initialize, 200, birth("up"), Decision{Set: []Field{{"mcp-session-id", "token:uida:up:ZXA=:bob:reader"}}}, EventCreated, 0},
		"birth by an admin":    {post("X-Dev-UserId", "bob", "X-Dev-Roles", adapters.AdminRole), initialize, 200, birth("up"), Decision{Set: []Field{{"mcp-session-id", "token:uida:up:ZXA=:bob:" + adapters.AdminRole}}}, EventCreated, 0},
		"an admin who reads":   {post("X-Dev-UserId", "bob", "X-Dev-Roles", "reader,"+adapters.AdminRole), initialize, 200, birth("up"), Decision{Set: []Field{{"mcp-session-id", "token:uida:up:ZXA=:bob:reader"}}}, EventCreated, 0},
		"server sans sessions": {post(), initialize, 200, birth(), Decision{Remove: nothing}, EventNone, 0},
		"refused by server":    {post(), initialize, 400, birth("up"), Decision{Remove: nothing}, EventNone, 0},
		"redirect":             {post(), initialize, 302, birth("up"), Decision{Remove: nothing}, EventNone, 0},
		"not initialize":       {post(), list, 200, birth("up"), Decision{Remove: nothing}, EventNone, 0},
		"modern initialize":    {post(headerVersion, "2026-07-28", headerMethod, "initialize"), initialize, 200, birth("up"), Decision{Remove: nothing}, EventNone, 0},
		"notification":         {post(), inspect.Message{Kind: inspect.Notification, Method: "initialize"}, 200, birth("up"), Decision{Remove: nothing}, EventNone, 0},
		"two ids":              {post(), initialize, 200, birth("up", "up"), Decision{}, EventNone, 502},
		"control in id":        {post(), initialize, 200, birth("u\x01p"), Decision{}, EventNone, 502},
		"no endpoint":          {post(), initialize, 200, http.Header{"Mcp-Session-Id": {"up"}}, Decision{}, EventNone, 503},
		"two endpoints":        {post(), initialize, 200, http.Header{"Mcp-Session-Id": {"up"}, "X-Mooring-Endpoint": {"a", "b"}}, Decision{}, EventNone, 503},
		"long endpoint":        {post(), initialize, 200, http.Header{"Mcp-Session-Id": {"up"}, "X-Mooring-Endpoint": {strings.Repeat("a", 513)}}, Decision{}, EventNone, 503},
		"end":                  {Head{Method: "DELETE", Header: header("Mcp-Session-Id", "good"), Bodiless: true}, inspect.Message{}, 204, birth("up"), Decision{Remove: nothing}, EventClosed, 0},
		"end not allowed":      {Head{Method: "DELETE", Header: header("Mcp-Session-Id", "good"), Bodiless: true}, inspect.Message{}, 405, birth("up"), Decision{Remove: nothing}, EventNone, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, d := judgeAll(t, onRoute(contract.RouteBirth), c.head, c.message, nil)
			if d.Refusal != nil || !d.AwaitResponse {
				t.Fatalf("decision %+v", d)
			}
			got, event := newJudge().Response(r, c.status, c.header)
			if (got.Refusal != nil) != (c.refused != 0) || got.Refusal != nil && got.Refusal.Status != c.refused {
				t.Fatalf("refusal %+v", got.Refusal)
			}
			if diff := cmp.Diff(c.want, Decision{Set: got.Set, Remove: got.Remove}); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if event != c.event {
				t.Errorf("event %q", event)
			}
		})
	}
}

func TestResponseThatCannotBeSigned(t *testing.T) {
	r, _ := judgeAll(t, onRoute(contract.RouteBirth), post(), initialize, nil)
	j := newJudge()
	j.Sessions = fakeSessions{mintErr: errors.New("no key")}
	d, event := j.Response(r, 200, http.Header{"Mcp-Session-Id": {"up"}, "X-Mooring-Endpoint": {"ZXA="}})
	if d.Refusal == nil || d.Refusal.Status != http.StatusServiceUnavailable || event != EventNone {
		t.Errorf("decision %+v", d)
	}
}

func TestOrigins(t *testing.T) {
	got, err := Origins("https://MCP.example.com:443/x", "0.0.0.0:8080")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"https://mcp.example.com": true, "http://localhost:8080": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
	for _, c := range [][2]string{{"ftp://x", ""}, {"x", ""}, {"", "8080"}, {"http://[", ""}} {
		if _, err := Origins(c[0], c[1]); err == nil {
			t.Errorf("%q accepted", c)
		}
	}
}
