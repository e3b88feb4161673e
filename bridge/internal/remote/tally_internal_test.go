package remote

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// FuzzOverheard holds that what is read along reaches the client as it is, and
// that the same is heard however its bytes arrive.
func FuzzOverheard(f *testing.F) {
	for _, seed := range []string{
		"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\"}]}}\n\n",
		"id: 1\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":1,\"result\":{}}\r\n\r\n", "data\r\r", ": c\n\n", "",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, stream bool) {
		var heard []string
		for _, in := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			meter := tools.NewMeter(prometheus.NewRegistry())
			o := &overheard{ReadCloser: io.NopCloser(in), stream: stream, t: &tally{
				meter: meter, msg: jsonrpc.Message{ID: "1", Method: jsonrpc.MethodToolsList},
			}}
			if got, err := io.ReadAll(o); err != nil || string(got) != text {
				t.Fatalf("%q became %q, error %v", text, got, err)
			}
			heard = append(heard, strings.Join(meter.List(), " "))
		}
		if heard[0] != heard[1] {
			t.Errorf("heard %q and %q", heard[0], heard[1])
		}
	})
}
