package mcphttp_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestModernHeadersMustFit(t *testing.T) {
	b := serveModern(t, nil)
	call := modernRequest("1", "tools/call", `,"name":"t"`)
	version, method := "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call"
	for name, test := range map[string]struct {
		body    string
		headers []string
		status  int
		want    string
	}{
		"no version":     {call, []string{method, "Mcp-Name: t"}, 400, "-32020"},
		"other version":  {call, []string{"MCP-Protocol-Version: 2027-01-01", method, "Mcp-Name: t"}, 400, "-32020"},
		"no method":      {call, []string{version, "Mcp-Name: t"}, 400, "-32020"},
		"other method":   {call, []string{version, "Mcp-Method: tools/list", "Mcp-Name: t"}, 400, "-32020"},
		"no name":        {call, []string{version, method}, 400, "-32020"},
		"other name":     {call, []string{version, method, "Mcp-Name: T"}, 400, "-32020"},
		"broken name":    {call, []string{version, method, "Mcp-Name: =?base64?%%?="}, 400, "-32020"},
		"no meta":        {`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, []string{version, "Mcp-Method: tools/list"}, 400, "-32602"},
		"no caps":        {strings.Replace(call, `,"io.modelcontextprotocol/clientCapabilities":{}`, "", 1), []string{version, method, "Mcp-Name: t"}, 400, "-32602"},
		"initialize":     {modernRequest("1", "initialize", ""), []string{version, "Mcp-Method: initialize"}, 404, "-32601"},
		"a response":     {`{"jsonrpc":"2.0","id":1,"result":{}}`, []string{version}, 400, "-32600"},
		"a notification": {`{"jsonrpc":"2.0","method":"x"}`, []string{version}, 202, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.do("POST", test.body, test.headers...)
			if text := a.body(); a.StatusCode != test.status || !strings.Contains(text, test.want) {
				t.Errorf("got %d %s", a.StatusCode, text)
			}
		})
	}
	for _, method := range []string{"GET", "DELETE"} {
		if a := b.do(method, "", version, "Accept: text/event-stream"); a.StatusCode != 405 {
			t.Errorf("%s gives %d", method, a.StatusCode)
		}
	}
	if len(b.children) > 0 {
		t.Error("a process was started")
	}
}

func TestErrorsHaveTheirStatus(t *testing.T) {
	b := serveModern(t, nil)
	for code, status := range map[string]int{"-32601": 404, "-32602": 400, "-32021": 400, "-32022": 400, "-32603": 200} {
		answers := b.ask("", "prompts/list", modernRequest("1", "prompts/list", ""))
		child := b.only()
		tell(t, child, `{"jsonrpc":"2.0","id":%,"error":{"code":`+code+`,"message":"m"}}`, got(t, child, "prompts/list"))
		if a := wait(t, answers); a.StatusCode != status {
			t.Errorf("%s gives %d", code, a.StatusCode)
		}
	}
}

func TestArgumentsInHeaders(t *testing.T) {
	b := serveModern(t, nil)
	schema := `{"jsonrpc":"2.0","id":%,"result":{"tools":[{"name":"t","inputSchema":{"properties":{` +
		`"region":{"type":"string","x-mcp-header":"Region"},"deep":{"properties":{"n":{"x-mcp-header":"N"}}}}}}]}}`
	first := true
	for name, test := range map[string]struct {
		arguments string
		headers   []string
		ok        bool
	}{
		"absent":       {`{}`, nil, true},
		"null":         {`{"region":null}`, nil, true},
		"equal":        {`{"region":"eu","deep":{"n":42}}`, []string{"Mcp-Param-Region: eu", "Mcp-Param-N: 42.0"}, true},
		"base64":       {`{"region":"ü"}`, []string{"Mcp-Param-Region: =?base64?" + base64.StdEncoding.EncodeToString([]byte("ü")) + "?="}, true},
		"missing":      {`{"region":"eu"}`, nil, false},
		"other":        {`{"region":"eu"}`, []string{"Mcp-Param-Region: EU"}, false},
		"other number": {`{"deep":{"n":42}}`, []string{"Mcp-Param-N: 43"}, false},
		"for nothing":  {`{}`, []string{"Mcp-Param-Region: eu"}, false},
	} {
		answers := b.ask("", "tools/call", modernRequest("1", "tools/call", `,"name":"t","arguments":`+test.arguments), append(test.headers, "Mcp-Name: t")...)
		child := b.only()
		if first {
			tell(t, child, schema, got(t, child, "tools/list"))
			first = false
		}
		if test.ok {
			tell(t, child, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, child, "tools/call"))
		}
		a := wait(t, answers)
		if text := a.body(); test.ok != (a.StatusCode == 200) || !test.ok && !strings.Contains(text, "-32020") {
			t.Errorf("%s gives %d %s", name, a.StatusCode, text)
		}
	}
}
