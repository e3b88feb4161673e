package api

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/mooring-mcp/mooring/adapters"
)

func addPayloads(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
}

// FuzzDecodeSpec holds what the decoder takes against encoding/json, which is
// laxer but must read the same out of it.
func FuzzDecodeSpec(f *testing.F) {
	addPayloads(f)
	for _, seed := range []string{
		"", "null", "[]", "{", `{"name":"a","name":"b"}`, `{"replicaCount":1e3}`, `{"labels":{"a":null}}`,
		`{"requiredRoles":["a",["b"]]}`, `{"id":{"a":[]}}`, "{}{}", "{\"name\":\"\xff\"}", "\ufeff{}", `{"NAME":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		spec, faults, broken := decodeSpec(body)
		if broken && len(faults) == 0 {
			t.Fatal("broken without a fault")
		}
		if len(faults) > 0 {
			return
		}
		if !utf8.Valid(body) {
			t.Fatal("took invalid UTF-8")
		}
		// What the server owns is ignored, whatever it is.
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("took what is not JSON: %v", err)
		}
		for _, name := range serverFields() {
			delete(members, name)
		}
		text, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		again, faults, _ := decodeSpec(text)
		if len(faults) > 0 || !again.Equal(spec) {
			t.Fatalf("read again: %+v, %v", again, faults)
		}
		want := adapters.Spec{ReplicaCount: 1}
		if err := json.Unmarshal(text, &want); err == nil && !want.Equal(spec) {
			t.Fatalf("got %+v, and encoding/json reads %+v", spec, want)
		}
	})
}

// FuzzMergePatch checks what RFC 7396 promises of every patch: applied twice it
// changes no more than once, and no null is left of it.
func FuzzMergePatch(f *testing.F) {
	addPayloads(f)
	for _, seed := range []string{
		"", "null", "[1]", `{"labels":{"a":null,"b":"c"}}`, `{"labels":null}`, `{"description":{"a":{"b":null}}}`,
		`{"environmentVariables":{"A":"1","A":"2"}}`, `{"requiredRoles":[null]}`, `{"replicaCount":1e999}`, `{"id":null}`,
	} {
		f.Add([]byte(seed))
	}
	spec := adapters.Spec{
		Name: "one", ImageName: "mcp-proxy", ImageVersion: "1", ReplicaCount: 2,
		EnvironmentVariables: map[string]string{"MCP_COMMAND": "npx", "A": "0"},
		RequiredRoles:        []string{"r"}, Labels: map[string]string{"a": "b"},
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		patch, faults := decodePatch(body)
		if len(faults) > 0 {
			return
		}
		merged, err := applyPatch(spec, patch)
		if err != nil {
			t.Fatal(err)
		}
		var once, reference any
		if err := json.Unmarshal(merged, &once); err != nil {
			t.Fatal(err)
		}
		if twice := mergePatch(clone(t, once), patch); !reflect.DeepEqual(twice, once) {
			t.Fatalf("once %v, twice %v", once, twice)
		}
		// A patch without nulls onto nothing is itself.
		if err := json.Unmarshal(body, &reference); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(body, []byte("null")) && !reflect.DeepEqual(mergePatch(nil, patch), reference) {
			t.Fatalf("onto nothing: %v, want %v", mergePatch(nil, patch), reference)
		}
		decodeSpec(merged)
	})
}

func clone(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var copied any
	if err := json.Unmarshal(text, &copied); err != nil {
		t.Fatal(err)
	}
	return copied
}
