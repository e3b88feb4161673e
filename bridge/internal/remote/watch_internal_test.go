package remote

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
)

// FuzzWatch holds that a stream reaches the client as the server wrote it, with
// at most one event more, however its bytes arrive.
func FuzzWatch(f *testing.F) {
	for _, seed := range []string{"", "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n", "id: 1\ndata: x\r\n\r\n", "data:{\"id\":2}\r", "\n\n: c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var results []string
		for _, in := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			s := &session{born: recovery.Session{}}
			s.began([]byte("1"))
			w := &watch{ReadCloser: io.NopCloser(in), s: s, rawID: []byte("1")}
			got, err := io.ReadAll(w)
			if err != nil {
				t.Fatal(err)
			}
			rest, ok := bytes.CutPrefix(got, []byte(text))
			if !ok || len(rest) > 0 && (w.done || w.named || len(s.open) > 0) || len(rest) == 0 && !w.done && !w.named {
				t.Fatalf("%q became %q; answered %v, named %v", text, got, w.done, w.named)
			}
			results = append(results, string(got))
		}
		if results[0] != results[1] {
			t.Fatalf("%q and %q", results[0], results[1])
		}
	})
}
