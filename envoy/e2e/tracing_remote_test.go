package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// startTold starts a server elsewhere, whose tool "trace" says which span called
// it, by the header, and whose tool "fail" says that it failed.
func startTold(t *testing.T) string {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "told", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "trace"}, func(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		h := req.Extra.Header
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: h.Get("Traceparent") + " " + h.Get("Tracestate")}}}, nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "fail"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New("it failed")
	})
	s := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// checkRemote: a call of a server elsewhere is one trace too, which that server
// is told of; and the spans say how its answer came out.
func checkRemote(t *testing.T, m *harness.Mooring, c *collector) {
	t.Helper()
	m.Deploy(adapters.Spec{
		Name: "far", ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: 1, RequiredRoles: []string{},
		EnvironmentVariables: map[string]string{"MCP_PROXY_URL": startTold(t)},
	})
	session := m.Initialize("far")
	if answer := session.Post(listTools); answer.Status != http.StatusOK { // now the bridge knows them
		t.Fatal(answer)
	}
	call := func(trace, tool string) harness.Answer {
		t.Helper()
		answer := session.Post(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"`+tool+`","arguments":{}}}`,
			"traceparent", traceparent(trace), "tracestate", "vendor=1")
		if answer.Status != http.StatusOK {
			t.Fatal(answer)
		}
		return answer
	}
	const well, failing, unknown = "9af7651916cd43dd8448eb211c80319c", "aaf7651916cd43dd8448eb211c80319c", "baf7651916cd43dd8448eb211c80319c"
	answer := call(well, "trace")
	all := c.awaitTrace(m, well, 4)
	judged := "judge tools/call"
	if i := slices.IndexFunc(all, func(s span) bool { return s.part == "extproc" }); i >= 0 {
		judged = all[i].GetName() // the control plane may have told of the tools by now
	}
	envoy := "envoy server POST " + strings.TrimPrefix(judged, "judge ")
	compareEdges(t, []string{
		"client > " + envoy, envoy + " > extproc internal " + judged,
		envoy + " > bridge server tools/call trace", "bridge server tools/call trace > bridge client tools/call trace",
	}, all)
	asked := clientSpanOf(t, all)
	if want := "00-" + well + "-" + hex.EncodeToString(asked.SpanId) + "-01 vendor=1"; !strings.Contains(answer.Body, want) {
		t.Errorf("the server was not told %s: %s", want, answer.Body)
	}
	for name, want := range map[string]string{
		"network.transport": "tcp", "server.address": "127.0.0.1", "gen_ai.tool.name": "trace", "mooring.adapter": "far", "error.type": "",
	} {
		if asked.attributes[name] != want {
			t.Errorf("%s is %q, not %q", name, asked.attributes[name], want)
		}
	}
	call(failing, "fail")
	call(unknown, "hostile-name")
	for trace, want := range map[string]string{failing: "tool_error", unknown: "-32602"} {
		for _, s := range c.awaitTrace(m, trace, 4) {
			if s.part != "bridge" {
				continue
			}
			if s.attributes["error.type"] != want || s.GetStatus().GetCode() != tracev1.Status_STATUS_CODE_ERROR {
				t.Errorf("%s: error.type %q, not %q; status %v", nameOf(s), s.attributes["error.type"], want, s.GetStatus())
			}
			if strings.Contains(s.GetName(), "hostile-name") {
				t.Errorf("a name of a client's making names a span: %s", s.GetName())
			}
		}
	}
}

// clientSpanOf is the bridge's span of what it asked.
func clientSpanOf(t *testing.T, all []span) span {
	t.Helper()
	i := slices.IndexFunc(all, func(s span) bool { return s.part == "bridge" && s.GetKind() == tracev1.Span_SPAN_KIND_CLIENT })
	if i < 0 {
		t.Fatal("the bridge asked nothing")
	}
	return all[i]
}
