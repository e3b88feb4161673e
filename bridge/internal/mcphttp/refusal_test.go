package mcphttp_test

import (
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

func TestRefusals(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) { cfg.MaxBody = 1000 })
	c := b.connect()
	ping := `{"jsonrpc":"2.0","id":5,"method":"ping"}`
	tests := map[string]struct {
		method, body string
		headers      []string
		status       int
		id           string
	}{
		"no session":          {"POST", ping, nil, 400, "5"},
		"unknown session":     {"POST", ping, []string{"Mcp-Session-Id: nope"}, 404, "5"},
		"version":             {"POST", ping, []string{c.header, "MCP-Protocol-Version: 2024-01-01"}, 400, "5"},
		"draft version":       {"POST", ping, []string{c.header, "MCP-Protocol-Version: DRAFT"}, 400, "5"},
		"initialize version":  {"POST", initialize, []string{"MCP-Protocol-Version: 1.0"}, 400, "0"},
		"accept":              {"POST", ping, []string{c.header, "Accept: application/json"}, 406, "null"},
		"accept nothing":      {"POST", ping, []string{c.header, "Accept: text/html"}, 406, "null"},
		"content type":        {"POST", ping, []string{c.header, "Content-Type: text/plain"}, 415, "null"},
		"batch":               {"POST", "[" + ping + "]", []string{c.header}, 400, "null"},
		"no JSON":             {"POST", "{", []string{c.header}, 400, "null"},
		"too large":           {"POST", strings.Repeat(" ", 1001), []string{c.header}, 413, "null"},
		"GET no session":      {"GET", "", []string{"Accept: text/event-stream"}, 400, "null"},
		"GET unknown session": {"GET", "", []string{"Accept: text/event-stream", "Mcp-Session-Id: nope"}, 404, "null"},
		"GET accept":          {"GET", "", []string{c.header, "Accept: application/json"}, 406, "null"},
		"DELETE no session":   {"DELETE", "", nil, 400, "null"},
		"DELETE unknown":      {"DELETE", "", []string{"Mcp-Session-Id: nope"}, 404, "null"},
		"PUT":                 {"PUT", "", []string{c.header}, 405, "null"},
		"host":                {"POST", ping, []string{c.header, "Host: evil.example"}, 403, "null"},
		"origin":              {"POST", ping, []string{c.header, "Origin: http://evil.example"}, 403, "null"},
		"modern header":       {"POST", ping, []string{"MCP-Protocol-Version: 2026-07-28"}, 400, "5"},
		"modern GET":          {"GET", "", []string{"MCP-Protocol-Version: 2026-07-28"}, 405, "null"},
		"modern body": {
			"POST", `{"jsonrpc":"2.0","id":"d","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
			nil, 400, `"d"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := b.do(test.method, test.body, test.headers...)
			got := a.body()
			m, err := jsonrpc.Parse([]byte(got))
			if a.StatusCode != test.status || err != nil || !m.Failed || !strings.Contains(got, `"id":`+test.id+`,`) {
				t.Errorf("got %d %s, want %d with id %s", a.StatusCode, got, test.status, test.id)
			}
			// Clients take these codes for the answer of a modern server.
			if strings.Contains(got, "-3202") {
				t.Errorf("a modern error code: %s", got)
			}
		})
	}
	if n := b.handler.Sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
}
