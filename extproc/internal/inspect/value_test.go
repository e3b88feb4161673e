package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const callOpen, callClose = `{"jsonrpc":"2.0","id":1,"params":{"name":"t","arguments":`, `},"method":"tools/call"}`

func TestArgumentsAreKept(t *testing.T) {
	i := New(Limits{})
	for text, want := range map[string]any{
		`{}`:    map[string]any{},
		`null`:  nil,
		`"a"`:   "a",
		`[1,2]`: []any{int64(1), int64(2)},
		`{"a":{"b":[true,null,"\u00e9",1.5,1e3,-0,9007199254740993,90071992547409931234]}}`: map[string]any{
			"a": map[string]any{"b": []any{true, nil, "é", 1.5, 1e3, int64(0), int64(9007199254740993), 90071992547409931234.0}},
		},
	} {
		got, err := i.ReadWithArguments(strings.NewReader(callOpen + text + callClose))
		if diff := cmp.Diff(want, got.Arguments); diff != "" || err != nil || got.Name != "t" {
			t.Errorf("%s: error %v (-want +got):\n%s", text, err, diff)
		}
		if got, err := i.Read(strings.NewReader(callOpen + text + callClose)); err != nil || got.Arguments != nil {
			t.Errorf("%s: kept unasked: %v, error %v", text, got.Arguments, err)
		}
	}
}

func TestArgumentsThatReadDifferentlyAreRefused(t *testing.T) {
	i := New(Limits{})
	for text, want := range map[string]string{
		`{"path":1,"Path":2}`:          FaultUnsafe,
		`{"a":[{"ke":1,"\u212ae":2}]}`: FaultUnsafe, // the sign for kelvin
		`{"a":1,"a":2}`:                FaultUnsafe,
		`1e400`:                        FaultUnsafe,
		strings.Repeat("[", 200) + strings.Repeat("]", 200): FaultDepth,
		`{"a":}`: FaultSyntax,
	} {
		_, err := i.ReadWithArguments(strings.NewReader(callOpen + text + callClose))
		var fault *Fault
		if !errors.As(err, &fault) || fault.Reason != want {
			t.Errorf("%.40s: error %v, want %s", text, err, want)
		}
	}
}

// FuzzArguments holds that the arguments are those that encoding/json reads.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,{"b":null}]}`, `"\ud83d\ude00"`, `[[],{}]`, `-1e-5`, `{"A":1,"a":2}`, `tru`, `{"":{}}`} {
		f.Add([]byte(seed))
	}
	i := New(Limits{Bytes: 1 << 16})
	f.Fuzz(func(t *testing.T, text []byte) {
		body := append(append([]byte(callOpen), text...), callClose...)
		got, err := i.ReadWithArguments(bytes.NewReader(body))
		if err != nil {
			if !errors.As(err, new(*Fault)) {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		var want struct{ Params struct{ Arguments any } }
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		kept, err := json.Marshal(got.Arguments)
		if err != nil {
			t.Fatal(err)
		}
		var again any
		if err := json.Unmarshal(kept, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Params.Arguments, again); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
