package translate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

// erasPage says what maps to what.
const erasPage = "../../../docs/reference/eras.md"

// modernRows and legacyRows are the rows of the page's two tables, by their
// first two cells, and the tests that show each: of this package, or of the one
// that is named.
var (
	modernRows = map[string]string{
		"`server/discover` | the result of `initialize`, sent once when the process starts":                                                                    "TestModernDiscover",
		"`_meta` `…/clientCapabilities` | `capabilities` of `initialize`: elicitation, sampling, roots":                                                        "TestBound TestModernDiscover",
		"any other request | the same, without the era's own `_meta`":                                                                                          "TestModernPassesTheRest TestModernLogLevel",
		"`_meta` `…/logLevel` | `logging/setLevel`, where it differs from the last":                                                                            "TestModernLogLevel",
		"`subscriptions/listen` | `resources/subscribe` for each resource; answered by `notifications/subscriptions/acknowledged` with what the server can do": "TestModernSubscriptions TestModernSubscriptionsShareAResource",
		"`notifications/*/list_changed`, `notifications/resources/updated` with the subscription's id | the same without":                                      "TestModernSubscriptions TestModernListsChange",
		"`notifications/progress` with the request's token | the same":                                                                                         "TestModernElicitation mcphttp.TestSharedProcessKeepsUsersApart",
		"the connection closes | `notifications/cancelled`":                                                                                                    "TestModernCancel mcphttp.TestDisconnectCancels",
		"result with `resultType: complete` | any result":                                                                                                      "TestModernResults",
		"result with `resultType: input_required` | `elicitation/create`, `sampling/createMessage`, `roots/list`":                                              "TestModernElicitation TestModernSamplingAndRoots TestModernClientThatDoesNotComeBack",
		"the call again, with `requestState` and `inputResponses` | the answers to those requests":                                                             "TestModernElicitation TestModernRetryMustFit TestModernStateIsSealed",
		"result with `resultType: input_required`, mode `url` | error -32042":                                                                                  "TestModernURLElicitation",
		"error -32602 | error -32002 (no such resource)":                                                                                                       "TestModernResults",
		"— | `ping`": "TestModernElicitation",
		"— | a question while no call is in flight, or, where users share the process, while several are": "TestModernQuestionsNobodyCanBeAsked",
		"error -32601 with status 404 | —": "mcphttp.TestModernHeadersMustFit",
	}
	legacyRows = map[string]string{
		"`initialize` | `server/discover`": "TestLegacyCalls TestLegacyServerThatRefuses",
		"`notifications/initialized` | `subscriptions/listen` for the lists whose changes the server can tell":                             "TestLegacySubscriptions",
		"any other request | the same, with the era's `_meta`: version, client information and capabilities as in `initialize`, log level": "TestLegacyCalls TestLegacyPassesTheRest",
		"`ping` | —":             "TestLegacyCalls",
		"`logging/setLevel` | —": "TestLegacyLogLevel",
		"`resources/subscribe`, `resources/unsubscribe` | `subscriptions/listen` for the resource; `notifications/cancelled` for it": "TestLegacySubscriptions",
		"`notifications/cancelled` | the same, for the newest try of the call":                                                       "TestLegacyCancel",
		"`notifications/roots/list_changed`, `notifications/progress` | —":                                                           "TestLegacyCalls",
		"`notifications/progress` with the request's token | the same":                                                               "TestLegacyCalls",
		"`elicitation/create`, `sampling/createMessage`, `roots/list` | result with `resultType: input_required`":                    "TestLegacyElicitation TestLegacySamplingAndRoots TestLegacyRoundsAreBounded",
		"error -32603 | —": "TestLegacyClientThatCannotAnswer",
		"result | result":  "TestLegacyCalls",
		"`notifications/*` | the same, with the id of a subscription": "TestLegacySubscriptions",
	}
)

// rowsOf are the first two cells of each row of the table in the section.
func rowsOf(t *testing.T, section string) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.FromSlash(erasPage))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("the page has no section %s", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var rows []string
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if strings.HasPrefix(line, "|") && len(cells) == 3 {
			rows = append(rows, strings.TrimSpace(cells[0])+" | "+strings.TrimSpace(cells[1]))
		}
	}
	return slices.Sorted(slices.Values(rows[2:]))
}

// testsIn are the tests of the packages here and beside, as modernRows names
// them.
func testsIn(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for dir, prefix := range map[string]string{".": "", "../mcphttp": "mcphttp."} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					all[prefix+f.Name.Name] = true
				}
			}
		}
	}
	return all
}

// TestEveryRowHasATest holds the page's tables and the tests equal.
func TestEveryRowHasATest(t *testing.T) {
	tests := testsIn(t)
	for section, rows := range map[string]map[string]string{"Modern client, legacy server": modernRows, "Legacy client, modern server": legacyRows} {
		if diff := cmp.Diff(rowsOf(t, section), slices.Sorted(maps.Keys(rows))); diff != "" {
			t.Errorf("%s: -page +tests\n%s", section, diff)
		}
		for row, names := range rows {
			for _, name := range strings.Fields(names) {
				if !tests[name] {
					t.Errorf("%s: there is no %s", row, name)
				}
			}
		}
	}
}

func TestModernPassesTheRest(t *testing.T) {
	p := old(t, translate.Options{})
	for _, message := range []string{
		`{"jsonrpc":"2.0","id":5,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"v"}}}`,
		`{"jsonrpc":"2.0","id":6,"method":"resources/templates/list","params":{"cursor":"page 2"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"x-vendor/new","params":{"a":[1.0,"\u00e9"]},"more":true}`,
	} {
		p.send(message)
		if got := p.next(p.in); got != message {
			t.Errorf("%s became %s", message, got)
		}
	}
	p.say(`{"jsonrpc":"2.0","id":6,"result":{"resourceTemplates":[],"nextCursor":"page 3"}}`)
	p.got(`{"jsonrpc":"2.0","id":6,"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","resourceTemplates":[],"nextCursor":"page 3",` + serverInfo + `}}`)
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"completion":{"values":["v1"],"hasMore":true}}}`)
	p.got(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"complete","completion":{"values":["v1"],"hasMore":true},` + serverInfo + `}}`)
}

func TestModernSubscriptionsShareAResource(t *testing.T) {
	p := old(t, translate.Options{})
	listen := `{"jsonrpc":"2.0","id":%,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["u"]}}}`
	agreed := `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourceSubscriptions":["u"]},"_meta":{"io.modelcontextprotocol/subscriptionId":%}}}`
	cancel := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%}}`
	for _, id := range []string{"8", "9"} {
		p.send(with(listen, id))
		p.got(with(agreed, id))
	}
	p.server(`{"jsonrpc":"2.0","id":"mooring-2","method":"resources/subscribe","params":{"uri":"u"}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u"}}`)
	got := []string{p.next(p.client), p.next(p.client)}
	slices.Sort(got)
	for i, id := range []string{"8", "9"} {
		p.same("client", got[i], with(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u","_meta":{"io.modelcontextprotocol/subscriptionId":%}}}`, id))
	}
	p.send(with(cancel, "8"))
	p.send(with(cancel, "9"))
	p.server(`{"jsonrpc":"2.0","id":"mooring-3","method":"resources/unsubscribe","params":{"uri":"u"}}`)
}

func TestModernListsChange(t *testing.T) {
	p := connect(t, modern, translate.Options{})
	p.next(p.in)
	p.say(`{"jsonrpc":"2.0","id":"mooring-1","result":{"protocolVersion":"2025-11-25","capabilities":{"prompts":{"listChanged":true},"resources":{"listChanged":true}},"serverInfo":{"name":"old","version":"1"}}}`)
	p.server(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	p.send(`{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}}}`)
	p.got(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"promptsListChanged":true,"resourcesListChanged":true},"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}`)
	p.say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
	for _, list := range []string{"prompts", "resources"} {
		p.say(`{"jsonrpc":"2.0","method":"notifications/` + list + `/list_changed"}`)
		p.got(`{"jsonrpc":"2.0","method":"notifications/` + list + `/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}`)
	}
}

func TestModernSamplingAndRoots(t *testing.T) {
	for method, params := range map[string]string{
		"sampling/createMessage": `{"maxTokens":1,"messages":[]}`,
		"roots/list":             `{}`,
	} {
		p := old(t, translate.Options{})
		p.send(with(callTool, "5", ""))
		p.server(with(callTool, "5", ""))
		p.say(`{"jsonrpc":"2.0","id":77,"method":"` + method + `","params":` + params + `}`)
		stars := p.got(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","requestState":"*","inputRequests":{"*":{"method":"` + method + `","params":` + params + `}}}}`)
		slices.SortFunc(stars, func(a, b string) int { return len(a) - len(b) })
		p.send(with(callTool, "6", `,"requestState":"`+stars[1]+`","inputResponses":{"`+stars[0]+`":{"answer":1}}`))
		p.server(`{"jsonrpc":"2.0","id":77,"result":{"answer":1}}`)
		p.say(`{"jsonrpc":"2.0","id":5,"result":{"content":[]}}`)
		p.got(`{"jsonrpc":"2.0","id":6,"result":{"resultType":"complete","content":[],` + serverInfo + `}}`)
	}
}

func TestLegacyPassesTheRest(t *testing.T) {
	p := young(t)
	for i, message := range []string{
		`{"jsonrpc":"2.0","id":5,"method":"completion/complete","params":{"argument":{"name":"a","value":"v"}%}}`,
		`{"jsonrpc":"2.0","id":6,"method":"prompts/list","params":{"cursor":"page 2"%}}`,
	} {
		p.send(with(message, ""))
		p.server(with(message, ","+with(meta, "")))
		result := []string{`{"completion":{"values":[]},"resultType":"complete"}`, `{"prompts":[],"nextCursor":"page 3","ttlMs":5,"cacheScope":"public","resultType":"complete"}`}[i]
		answer := with(`{"jsonrpc":"2.0","id":%,"result":%}`, []string{"5", "6"}[i], result)
		p.say(answer)
		p.got(answer)
	}
}

func TestLegacySamplingAndRoots(t *testing.T) {
	p := young(t)
	p.send(with(tool, ""))
	p.server(with(tool, ","+with(meta, "")))
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage","params":{"maxTokens":1}},"b":{"method":"roots/list"}}}}`)
	for range 2 {
		asked := p.next(p.client)
		_, rest, _ := strings.Cut(asked, `"id":`)
		rawID, _, _ := strings.Cut(rest, ",")
		answer := `{"roots":[]}`
		if strings.Contains(asked, "sampling/createMessage") {
			answer = `{"model":"m"}`
		}
		p.send(`{"jsonrpc":"2.0","id":` + rawID + `,"result":` + answer + `}`)
	}
	p.server(`{"jsonrpc":"2.0","id":"mooring-5","method":"tools/call","params":{"name":"greet","inputResponses":{"a":{"model":"m"},"b":{"roots":[]}},` + with(meta, "") + `}}`)
	p.say(`{"jsonrpc":"2.0","id":"mooring-5","result":{"content":[]}}`)
	p.got(`{"jsonrpc":"2.0","id":5,"result":{"content":[]}}`)
}

func TestLegacyRoundsAreBounded(t *testing.T) {
	p := young(t)
	p.send(with(tool, ""))
	for range 11 {
		_, rest, _ := strings.Cut(p.next(p.in), `"id":`)
		rawID, _, _ := strings.Cut(rest, ",")
		p.say(`{"jsonrpc":"2.0","id":` + rawID + `,"result":{"resultType":"input_required","requestState":"s"}}`)
	}
	p.got(`{"jsonrpc":"2.0","id":5,"error":{"code":-32603,"message":"the server asked for input more than 10 times"}}`)
}
