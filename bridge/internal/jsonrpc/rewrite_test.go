package jsonrpc_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

func TestRewrite(t *testing.T) {
	text := []byte(`{"params":{"_meta": {"progressToken" :	"p\u0041" ,"x":1e400}}, "id" : -0 ,"jsonrpc":"2.0","method":"m"}`)
	m, err := jsonrpc.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	got := jsonrpc.Rewrite(text,
		jsonrpc.Edit{At: m.At.ID, With: []byte("12")},
		jsonrpc.Edit{At: m.At.RequestID, With: []byte("unused")},
		jsonrpc.Edit{At: m.At.ProgressToken, With: []byte("3")})
	want := `{"params":{"_meta": {"progressToken" :	3 ,"x":1e400}}, "id" : 12 ,"jsonrpc":"2.0","method":"m"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzRewrite changes all that can be changed, and changes it back.
func FuzzRewrite(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1.5e3,"method":"x","params":{"_meta":{"progressToken":1}}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\ud834\udd1e"}}`,
		`{"jsonrpc":"2.0","id":"a","result":{"_meta":{"io.modelcontextprotocol/subscriptionId":9007199254740993}}}`,
		`{"jsonrpc":"2.0","id":1,"id":2,"result":{"_meta":{"progressToken":{}},"_meta":{"progressToken":3}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := jsonrpc.ParseLenient(text)
		if err != nil {
			return
		}
		places := func(m jsonrpc.Message) []*jsonrpc.Span {
			return []*jsonrpc.Span{&m.At.ID, &m.At.ProgressToken, &m.At.RequestID, &m.At.SubscriptionID}
		}
		var edits []jsonrpc.Edit
		for _, at := range places(m) {
			edits = append(edits, jsonrpc.Edit{At: *at, With: []byte("4711")})
		}
		changed := jsonrpc.Rewrite(text, edits...)
		again, err := jsonrpc.ParseLenient(changed)
		if err != nil {
			t.Fatalf("%s: %v", changed, err)
		}
		if again.Kind != m.Kind || again.Method != m.Method {
			t.Fatalf("became another message: %s", changed)
		}
		edits = edits[:0]
		for i, at := range places(again) {
			edits = append(edits, jsonrpc.Edit{At: *at, With: places(m)[i].Of(text)})
			if (*at == jsonrpc.Span{}) != (*places(m)[i] == jsonrpc.Span{}) || *at != (jsonrpc.Span{}) && string(at.Of(changed)) != "4711" {
				t.Fatalf("place %d of %s", i, changed)
			}
		}
		if back := jsonrpc.Rewrite(changed, edits...); !bytes.Equal(back, text) {
			t.Fatalf("got %s, want %s", back, text)
		}
	})
}
