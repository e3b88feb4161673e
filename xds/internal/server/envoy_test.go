package server_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFirst(t *testing.T) {
	g := newGateway(t, nil)
	a := g.add("one", g.replica("r1.sock"))
	g.startEnvoy()
	t.Log(g.awaitProgrammed(a, "True"))
	t.Log(g.log)
	t.Log(g.ask("POST", "/adapters/one/mcp?x=1", "Authorization", "Bearer x", "X-Mooring-Principal", "evil"))
	t.Log(g.extproc.last())
	t.Log(g.ask("POST", "/adapters/one/mcp", "Mcp-Session-Id", "x"))
	t.Log(g.ask("POST", "/adapters/one/mcp", "X-Test-Refuse", "x"))
	t.Log(g.ask("POST", "/adapters/one/mcp", "X-Test-Status", "404"))
	t.Log(g.ask("POST", "/adapters/one/mcpx"))
	t.Log(g.ask("POST", "/adapters/two/mcp"))
	t.Log(g.ask("TRACE", "/adapters/two/mcp"))
	t.Log(g.ask("GET", "/adapters", "Host", "evil"))
	t.Log(g.askAt(g.ops, "GET", "/metrics/xds"))
	t.Log(g.askAt(g.ops, "GET", "/stats"))
}
