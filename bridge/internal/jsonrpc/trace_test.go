package jsonrpc_test

import (
	"encoding/json"
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

const (
	parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	state  = "a=1,b=2"
)

func TestTraced(t *testing.T) {
	const own = `"traceparent":"` + parent + `"`
	for _, tt := range []struct{ name, in, state, want string }{
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`},
		{"null params", `{"jsonrpc":"2.0","id":1,"method":"x","params":null}`, "", `{"jsonrpc":"2.0","id":1,"method":"x","params":null}`},
		{"a notification", `{"jsonrpc":"2.0","method":"x","params":{}}`, "", `{"jsonrpc":"2.0","method":"x","params":{}}`},
		{"empty params", `{"jsonrpc":"2.0","id":1,"method":"x","params":{ }}`, "", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + own + `} }}`},
		{"params", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1e400}}`, state, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + own + `,"tracestate":"a=1,b=2"},"a":1e400}}`},
		{"a _meta", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"k":[{}]},"a":1}}`, "", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + own + `,"k":[{}]},"a":1}}`},
		{"an empty _meta", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{}}}`, "", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + own + `}}}`},
		{"a _meta that is none", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":7}}`, "", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":7}}`},
		{"another span", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent" : "x","tracestate":"y"}}}`, "", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent" : "` + parent + `","tracestate":""}}}`},
		{"another span without a state", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent":"x"}}}`, state, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"tracestate":"a=1,b=2","traceparent":"` + parent + `"}}}`},
		{"a state alone", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"tracestate":"y"}}}`, state, `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{` + own + `,"tracestate":"a=1,b=2"}}}`},
		{"values of other kinds", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent":{"a":1},"tracestate":[2]}}}`, "", `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent":"` + parent + `","tracestate":""}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := jsonrpc.Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(jsonrpc.Rewrite([]byte(tt.in), jsonrpc.Traced(m, []byte(tt.in), parent, tt.state)...)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestTraceContextOfAMessage(t *testing.T) {
	m, err := jsonrpc.Parse([]byte(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent":"` + parent + `","tracestate":"a=1"}}}`))
	if err != nil || m.Traceparent != parent || m.Tracestate != "a=1" {
		t.Errorf("%+v, %v", m, err)
	}
}

// FuzzTraced: whatever a client writes, what the server gets is JSON that says
// the same but for the span, and parses again.
func FuzzTraced(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent":"x","tracestate":"y","k":1},"a":[1,2]}}`,
		`{"jsonrpc":"2.0","id":1,"method":"x","params":{}}`, `{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}`,
		`{"params":{"_meta":{"progressToken":1}},"jsonrpc":"2.0","id":"a","method":"tools/call"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := jsonrpc.Parse(text)
		if err != nil || m.Kind != jsonrpc.Request {
			return
		}
		edits := jsonrpc.Traced(m, text, parent, state)
		out := jsonrpc.Rewrite(text, append(edits, jsonrpc.Edit{At: m.At.ID, With: []byte("7")})...)
		again, err := jsonrpc.Parse(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
		if len(edits) > 0 && (again.Traceparent != parent || again.Tracestate != state) {
			t.Fatalf("%q became %q", text, out)
		}
		if a, b := untraced(t, text), untraced(t, out); a != b {
			t.Fatalf("%q became %q", a, b)
		}
	})
}

// untraced is the message without its id and span.
func untraced(t *testing.T, text []byte) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return "" // deeper than this parser goes
	}
	delete(all, "id")
	var params, meta map[string]json.RawMessage
	if json.Unmarshal(all["params"], &params) == nil && params != nil {
		if raw := params["_meta"]; raw == nil || json.Unmarshal(raw, &meta) == nil && meta != nil {
			delete(meta, "traceparent")
			delete(meta, "tracestate")
			delete(params, "_meta")
			if len(meta) > 0 {
				kept, _ := json.Marshal(meta)
				params["_meta"] = kept
			}
		}
		all["params"], _ = json.Marshal(params)
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
