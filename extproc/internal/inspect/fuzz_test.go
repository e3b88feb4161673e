package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// FuzzRead holds that pieces of any size give the same answer, and that what is
// accepted means the same to encoding/json, which is as lax as parsers get.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"b":[1,2,{"c":null}]}}}`,
		`{"jsonrpc":"2.0","id":"x","method":"resources/read","params":{"uri":"a://b","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
		`{"jsonrpc":"2.0","id":1e3,"method":"tasks/get","params":{"taskId":"\u00e9"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"x"}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}`,
		`{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"b"}}`,
		`[{}]`, "\ufeff{}", `{"a":"\ud800"}`, strings.Repeat("[", 200), "", `{}{}`,
	} {
		f.Add([]byte(seed))
	}
	i := New(Limits{Bytes: 1 << 16})
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := i.Read(bytes.NewReader(body))
		for _, r := range []io.Reader{bytes.NewBuffer(body), iotest.OneByteReader(bytes.NewReader(body)), iotest.HalfReader(bytes.NewReader(body))} {
			again, errAgain := i.Read(r)
			if diff := cmp.Diff(got, again); diff != "" || (err == nil) != (errAgain == nil) {
				t.Fatalf("pieces change the answer: %v, %v\n%s", err, errAgain, diff)
			}
		}
		if err != nil {
			if !errors.As(err, new(*Fault)) {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		sameToEncodingJSON(t, body, got)
	})
}

func sameToEncodingJSON(t *testing.T, body []byte, got Message) {
	t.Helper()
	var lax struct {
		JSONRPC string
		ID      json.RawMessage
		Method  string
		Params  struct {
			Name   any
			URI    any
			TaskID any
			Meta   struct {
				Version string `json:"io.modelcontextprotocol/protocolVersion"`
			} `json:"_meta"`
		}
		Result, Error json.RawMessage
	}
	if err := json.Unmarshal(body, &lax); err != nil {
		t.Fatalf("encoding/json refuses what was accepted: %v", err)
	}
	if id := string(lax.ID); id != string(got.ID) && !(id == "null" && got.ID == nil) {
		t.Errorf("id %q, encoding/json reads %q", got.ID, id)
	}
	if lax.JSONRPC != "2.0" || lax.Method != got.Method || lax.Params.Meta.Version != got.ProtocolVersion {
		t.Errorf("read %+v, encoding/json reads %+v", got, lax)
	}
	name := map[string]any{"name": lax.Params.Name, "uri": lax.Params.URI, "taskId": lax.Params.TaskID}[nameField(got.Method)]
	if text, _ := name.(string); text != got.Name || (name != nil) != got.HasName {
		t.Errorf("name %q (%v), encoding/json reads %v", got.Name, got.HasName, name)
	}
	if got.Kind == Response && (lax.Result == nil) == (lax.Error == nil) {
		t.Errorf("a response to us, and to encoding/json %+v", lax)
	}
}
