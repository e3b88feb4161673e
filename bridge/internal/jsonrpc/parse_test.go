package jsonrpc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text string
		want jsonrpc.Message
	}{
		"request": {
			`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"name":"inner"},"_meta":{"progressToken":"p"}}}`,
			jsonrpc.Message{Kind: jsonrpc.Request, ID: "7", RawID: []byte("7"), Method: "tools/call", Name: "echo", ProgressToken: `"p`},
		},
		"initialize": {
			`{"method":"initialize","id":"a\u0062","jsonrpc":"2.0","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`,
			jsonrpc.Message{Kind: jsonrpc.Request, ID: `"ab`, RawID: []byte(`"a\u0062"`), Method: "initialize", ProtocolVersion: "2025-11-25"},
		},
		"modern": {
			`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
			jsonrpc.Message{Kind: jsonrpc.Request, ID: "1", RawID: []byte("1"), Method: "server/discover", MetaVersion: "2026-07-28"},
		},
		"progress": {
			`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1}}`,
			jsonrpc.Message{Kind: jsonrpc.Notification, Method: "notifications/progress", ProgressToken: "3"},
		},
		"cancelled": {
			`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12}}`,
			jsonrpc.Message{Kind: jsonrpc.Notification, Method: "notifications/cancelled", RequestID: "12"},
		},
		"tool error": {
			`{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}`,
			jsonrpc.Message{Kind: jsonrpc.Response, ID: "1", RawID: []byte("1"), IsError: true},
		},
		"error without id": {
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}`,
			jsonrpc.Message{Kind: jsonrpc.Response, Failed: true, ErrorCode: -32700, ErrorMessage: "x"},
		},
		"strange error": {
			`{"jsonrpc":"2.0","id":null,"error":{"code":1e99,"message":{}}}`,
			jsonrpc.Message{Kind: jsonrpc.Response, Failed: true},
		},
		"subscription": {
			`{"jsonrpc":"2.0","method":"m","params":{"_meta":{"io.modelcontextprotocol/subscriptionId": 7}}}`,
			jsonrpc.Message{Kind: jsonrpc.Notification, Method: "m", SubscriptionID: "7"},
		},
		"token that is no request's": {
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"progressToken":7}}`,
			jsonrpc.Message{Kind: jsonrpc.Request, ID: "1", RawID: []byte("1"), Method: "m"},
		},
		"params array": {
			`{"jsonrpc":"2.0","method":"x/y","params":["a"]}`,
			jsonrpc.Message{Kind: jsonrpc.Notification, Method: "x/y"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := jsonrpc.Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			got.At = jsonrpc.Places{}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":              ``,
		"not an object":      `3`,
		"batch":              `[{"jsonrpc":"2.0","method":"x"}]`,
		"no version":         `{"id":1,"method":"x"}`,
		"other version":      `{"jsonrpc":"1.0","id":1,"method":"x"}`,
		"duplicate key":      `{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}`,
		"duplicate deep key": `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":[{"b":1,"b":2}]}}`,
		"other letter case":  `{"jsonrpc":"2.0","id":1,"method":"x","Method":"y"}`,
		"trailing text":      `{"jsonrpc":"2.0","id":1,"method":"x"}{}`,
		"invalid UTF-8":      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\xff\"}",
		"byte order mark":    "\ufeff{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}",
		"null id":            `{"jsonrpc":"2.0","id":null,"method":"x"}`,
		"object id":          `{"jsonrpc":"2.0","id":{},"method":"x"}`,
		"method and result":  `{"jsonrpc":"2.0","id":1,"method":"x","result":{}}`,
		"result and error":   `{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`,
		"nothing":            `{"jsonrpc":"2.0","id":1}`,
		"empty method":       `{"jsonrpc":"2.0","id":1,"method":""}`,
		"cut":                `{"jsonrpc":"2.0","id":1,"method":"x"`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := jsonrpc.Parse([]byte(text)); err == nil {
				t.Errorf("accepted as %+v", got)
			}
		})
	}
	if _, err := jsonrpc.Parse([]byte(` [1]`)); !errors.Is(err, jsonrpc.ErrBatch) {
		t.Errorf("a batch gives %v", err)
	}
}

func TestIDsAreComparedByValue(t *testing.T) {
	id := func(raw string) jsonrpc.ID {
		m, err := jsonrpc.ParseLenient([]byte(`{"jsonrpc":"2.0","id":` + raw + `,"result":{}}`))
		if err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	if id(`1`) != id(`1.0`) || id(`1e2`) != id(`100`) || id(`"a"`) != id(`"\u0061"`) {
		t.Error("equal ids differ")
	}
	if id(`1`) == id(`"1"`) || id(`9007199254740993`) == id(`9007199254740992`) {
		t.Error("different ids are equal")
	}
}

func TestPartialID(t *testing.T) {
	tests := []struct {
		prefix, id string
		kind       jsonrpc.Kind
	}{
		{`{"jsonrpc":"2.0","id":"x","result":{"content":[{"te`, `"x"`, jsonrpc.Response},
		{`{"jsonrpc":"2.0","id":4,"method":"sampling/createMessage","params":{"a`, `4`, jsonrpc.Request},
		{`{"jsonrpc":"2.0","result":{"content":[{"te`, ``, jsonrpc.Invalid},
		{`garbage`, ``, jsonrpc.Invalid},
	}
	for _, test := range tests {
		id, kind := jsonrpc.PartialID([]byte(test.prefix))
		if string(id) != test.id || kind != test.kind {
			t.Errorf("%s: got %q, %v", test.prefix, id, kind)
		}
	}
}

func TestErrorResponse(t *testing.T) {
	got := jsonrpc.ErrorResponse([]byte(`"a"`), jsonrpc.CodeInternal, "it \"ended\"\n\xff")
	m, err := jsonrpc.Parse(got)
	if err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if m.ID != `"a` || !m.Failed {
		t.Errorf("got %+v", m)
	}
	if got := jsonrpc.ErrorResponse(nil, jsonrpc.CodeParseError, "x"); !bytes.Contains(got, []byte(`"id":null`)) {
		t.Errorf("got %s", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1.5e3,"method":"x","params":{"_meta":{"progressToken":1}}}`,
		`{"jsonrpc":"2.0","id":"\ud834\udd1e","result":{"isError":true}}`,
		"{\r\n\"jsonrpc\":\"2.0\",\"method\":\"m\"}", `[]`, `{`, `{"id":`, `nul`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		m, err := jsonrpc.Parse(text)
		jsonrpc.PartialID(text)
		line := jsonrpc.OneLine(text)
		if !bytes.Equal(before, text) {
			t.Fatal("the input was changed")
		}
		if bytes.ContainsAny(line, "\r\n") {
			t.Fatal("a line break is left")
		}
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatal("accepted what is not JSON")
		}
		again, err := jsonrpc.ParseLenient(line)
		if err != nil {
			t.Fatalf("on one line: %v", err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("on one line, -want +got:\n%s", diff)
		}
	})
}
