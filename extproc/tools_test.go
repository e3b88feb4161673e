package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// toolRules are those of the adapter "ruled".
var toolRules = &adapters.ToolRules{
	Allow: []string{"read_*", "write_*", "delete_*"}, Deny: []string{"delete_all"},
	Expression: `(!tool.startsWith("write_") || arguments.path.startsWith("/pub/")) && (!tool.startsWith("delete_") || "ops" in principal.roles)`,
}

const allTools = `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"read_a"},{"name":"write_a"},{"name":"delete_a"},{"name":"delete_all"},{"name":"other"}],"nextCursor":"c"}}`

// list answers with tools, in the way that how says.
func (u *upstream) list(w http.ResponseWriter, r *http.Request, how string) {
	if how == "length" && r.Header.Get("Accept-Encoding") != "" {
		how = "encoded"
	}
	switch how {
	case "json":
		for _, piece := range strings.SplitAfter(allTools, "}") {
			io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
	case "length":
		w.Header().Set("Content-Length", fmt.Sprint(len(allTools)))
		io.WriteString(w, allTools)
	case "stream":
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 1\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n")
		w.(http.Flusher).Flush()
		if r.Method == http.MethodGet {
			<-u.events
		}
		fmt.Fprintf(w, "event: message\nid: 2\ndata: %s\n\n", allTools)
	case "encoded":
		w.Header().Set("Content-Encoding", "br")
		io.WriteString(w, "?")
	case "text":
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, allTools)
	case "broken":
		io.WriteString(w, allTools+"x")
	case "broken stream":
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {}\n\ndata: %sx\n\ndata: %s\n\n", allTools, allTools)
	case "large":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"read_a","description":"%s"}]}}`, strings.Repeat("x", 5<<20))
	case "fits":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"read_a","description":"%s"},{"name":"other"}]}}`, strings.Repeat("x", 4<<20-200))
	case "error":
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, allTools)
	}
}

func (g *gateway) ruled(t *testing.T, body string, headers ...string) answer {
	t.Helper()
	return g.doAt(t, "/adapters/ruled/mcp", http.MethodPost, body, headers...)
}

func call(tool, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments)
}

func TestToolRulesRefuseCalls(t *testing.T) {
	g := newGateway(t)
	for _, c := range []struct {
		body, roles string
		status      int
		code        int
	}{
		{call("read_a", `{}`), "reader", 200, 0},
		{call("write_a", `{"path":"/pub/x"}`), "reader", 200, 0},
		{call("write_a", `{"path":"/etc"}`), "reader", 403, -32600},
		{call("write_a", `{"path":"/pub/x","Path":"/etc"}`), "reader", 400, -32600},
		{call("write_a", `{}`), "reader", 403, -32600},
		{call("write_a", `[]`), "reader", 403, -32600},
		{call("delete_a", `{}`), "reader", 403, -32600},
		{call("delete_a", `{}`), "reader,ops", 200, 0},
		{call("delete_all", `{}`), "reader,ops", 403, -32600},
		{call("other", `{}`), "reader,ops", 403, -32600},
		{call("Read_a", `{}`), "reader,ops", 403, -32600},
		{`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"other"}}`, "reader", 403, -32600},
		{`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}`, "reader", 400, -32602},
		{`{"params":{"arguments":{"path":"/etc"},"name":"write_a"},"method":"tools\/call","id":7,"jsonrpc":"2.0"}`, "reader", 403, -32600},
		{`{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{"name":"other"}}`, "reader", 200, 0},
	} {
		a := g.ruled(t, c.body, "X-Dev-UserId", "bob", "X-Dev-Roles", c.roles)
		if a.status != c.status {
			t.Errorf("%s as %s: %d %s, want %d", c.body, c.roles, a.status, a.body, c.status)
			continue
		}
		if c.status == http.StatusOK {
			a.seen(t)
			continue
		}
		if code, id := a.rpcError(t); code != c.code || id != "7" && strings.Contains(c.body, `"id"`) && c.status != 400 {
			t.Errorf("%s: code %d, id %s", c.body, code, id)
		}
	}
	g.accessLog(t, func(j contract.Judged) bool {
		return j.Verdict == "tool_not_allowed" && j.Tool == "other"
	})
}

func TestToolRulesFilterLists(t *testing.T) {
	g := newGateway(t)
	const cut = `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"read_a"},{"name":"write_a"}],"nextCursor":"c"}}`
	modernList := strings.Replace(listTools, `"tools/list"`, `"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}`, 1)
	modern := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list"}
	id := g.doAt(t, "/adapters/ruled/mcp", http.MethodPost, initialize, "X-Dev-UserId", "bob", "X-Dev-Roles", "reader").header.Get("Mcp-Session-Id")
	if strings.Count(id, ".") != 2 {
		t.Fatalf("session %q", id)
	}
	for _, c := range []struct {
		how, body string
		headers   []string
		want      string
	}{
		{"json", listTools, nil, cut},
		{"json", listTools, []string{"Mcp-Session-Id", id}, cut},
		{"json", modernList, modern, cut},
		{"length", listTools, []string{"Accept-Encoding", "gzip, br"}, cut},
		{"stream", listTools, nil, "id: 1\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\nevent: message\nid: 2\ndata: " + cut + "\n\n"},
		{"stream", modernList, modern, "id: 1\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\nevent: message\nid: 2\ndata: " + cut + "\n\n"},
		{"fits", listTools, nil, `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"read_a","description":"` + strings.Repeat("x", 4<<20-200) + `"}]}}`},
	} {
		a := g.ruled(t, c.body, append([]string{"X-Test-List", c.how, "X-Dev-UserId", "bob", "X-Dev-Roles", "reader"}, c.headers...)...)
		if a.status != 200 || a.body != c.want || a.header.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s with %v: %d %.200s, want %.200s", c.how, c.headers, a.status, a.body, c.want)
		}
	}
	all := g.do(t, http.MethodPost, listTools, "X-Test-List", "json", "X-Dev-UserId", "ann", "X-Dev-Roles", "")
	if all.body != allTools {
		t.Errorf("without rules: %s", all.body)
	}
	ops := g.ruled(t, listTools, "X-Test-List", "json", "X-Dev-UserId", "bob", "X-Dev-Roles", "reader,ops")
	if !strings.Contains(ops.body, "delete_a") || strings.Contains(ops.body, "delete_all") {
		t.Errorf("for ops: %s", ops.body)
	}
	// The same session, under another policy.
	denied := g.doAt(t, "/adapters/reruled/mcp", http.MethodPost, listTools, "X-Test-List", "json", "Mcp-Session-Id", id, "X-Dev-UserId", "bob", "X-Dev-Roles", "reader")
	if denied.status != 200 || strings.Contains(denied.body, `"name"`) {
		t.Errorf("after a change of policy: %d %s", denied.status, denied.body)
	}
}

func TestListsThatCannotBeFilteredAreRefused(t *testing.T) {
	g := newGateway(t)
	who := []string{"X-Dev-UserId", "bob", "X-Dev-Roles", "reader"}
	for _, how := range []string{"encoded", "text", "broken", "large"} {
		a := g.ruled(t, listTools, append([]string{"X-Test-List", how}, who...)...)
		if code, id := a.rpcError(t); a.status != http.StatusBadGateway || code != -32603 || id != "7" || strings.Contains(a.body, "other") {
			t.Errorf("%s: %d %.300s", how, a.status, a.body)
		}
	}
	a := g.ruled(t, listTools, append([]string{"X-Test-List", "broken stream"}, who...)...)
	if a.status != 200 || strings.Contains(a.body, "read_a") || !strings.HasPrefix(a.body, "data: {}\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"error\"") {
		t.Errorf("broken stream: %d %s", a.status, a.body)
	}
	if a := g.ruled(t, listTools, append([]string{"X-Test-List", "error"}, who...)...); a.status != 404 || a.body != allTools {
		t.Errorf("an answer that is no success: %d %s", a.status, a.body)
	}
	if a := g.doAt(t, "/unfiltered", http.MethodPost, listTools, who...); a.status != http.StatusServiceUnavailable {
		t.Errorf("a route that shows no bodies: %d %s", a.status, a.body)
	}
}

// TestResumedStreamsAreFiltered holds that a list cannot be had by breaking off
// its stream and asking for the rest.
func TestResumedStreamsAreFiltered(t *testing.T) {
	g := newGateway(t)
	r := g.request(t, "/adapters/ruled/mcp", http.MethodGet, nil, "Last-Event-Id", "1", "X-Test-List", "stream", "X-Dev-UserId", "bob", "X-Dev-Roles", "reader")
	res, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	events := bufio.NewScanner(res.Body)
	for events.Scan() && !strings.Contains(events.Text(), "progress") {
	}
	// What comes first is passed on before the rest is there.
	u := g.upstreams
	select {
	case u[0].events <- "":
	case u[1].events <- "":
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not stream")
	}
	rest := ""
	for events.Scan() {
		rest += events.Text() + "\n"
	}
	if !strings.Contains(rest, "read_a") || strings.Contains(rest, "other") {
		t.Errorf("the rest of the stream: %s", rest)
	}
}

// TestRulesLeaveOtherAnswersAlone holds that only lists are shown to the
// processor.
func TestRulesLeaveOtherAnswersAlone(t *testing.T) {
	g := newGateway(t)
	who := []string{"X-Dev-UserId", "bob", "X-Dev-Roles", "reader"}
	for _, body := range []string{call("read_a", `{}`), initialize, strings.Replace(listTools, "tools/list", "resources/list", 1)} {
		a := g.ruled(t, body, append([]string{"X-Test-List", "large"}, who...)...)
		if a.status != 200 || len(a.body) < 5<<20 {
			t.Errorf("%s: %d, %d bytes", body, a.status, len(a.body))
		}
	}
}
