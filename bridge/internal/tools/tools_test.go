package tools

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

func TestNames(t *testing.T) {
	var n Names
	n.Learn([]byte(`{"content":[]}`))
	n.Learn([]byte(`["tools"]`))
	n.Learn([]byte(`{"tools":`))
	if got := n.List(); got != nil {
		t.Errorf("no list: %q", got)
	}
	n.Learn([]byte(`{"tools":[]}`))
	if got := n.List(); got == nil || len(got) != 0 {
		t.Errorf("an empty list: %#v", got)
	}
	n.Learn([]byte(`{"tools":[{"name":"b","inputSchema":{"name":"x"}},{"name":""},{"name":"` + strings.Repeat("x", maxName+1) + `"},{}],"nextCursor":"1"}`))
	n.Learn([]byte(`{"tools":[{"name":"a"},{"name":"b"}]}`))
	if got := n.List(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("two pages: %q", got)
	}
	for i := range 2 * maxNames {
		n.Learn(fmt.Appendf(nil, `{"tools":[{"name":"tool%d"}]}`, i))
	}
	if got := n.List(); len(got) != maxNames {
		t.Errorf("%d names", len(got))
	}
}

// TestLabelsStayFlat: of names that clients make up none is shown, whatever room
// there is.
func TestLabelsStayFlat(t *testing.T) {
	m := NewMeter(prometheus.NewPedanticRegistry())
	m.Learn([]byte(`{"tools":[{"name":"fails"}]}`))
	for i := range 1000 {
		m.Answered(fmt.Sprintf("hostile%d", i), Error, time.Millisecond, "")
	}
	m.Answered("fails", ToolError, time.Millisecond, "")
	m.Answered("unlisted", OK, time.Millisecond, "")
	for label, want := range map[[2]string]float64{
		{otherTool, "error"}: 1000, {"fails", "tool_error"}: 1, {"unlisted", "ok"}: 1,
	} {
		if got := testutil.ToFloat64(m.calls.WithLabelValues(label[0], label[1])); got != want {
			t.Errorf("%q: %v, want %v", label, got, want)
		}
	}
	for i := range 1000 {
		m.Answered(fmt.Sprintf("good%d", i), OK, time.Millisecond, "")
	}
	if n := testutil.CollectAndCount(m.durations); n > maxNames+1 {
		t.Errorf("%d series", n)
	}
}

func TestOutcomeOf(t *testing.T) {
	for text, want := range map[string]Outcome{
		`{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`:                  OK,
		`{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}`:   ToolError,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"what"}}`: Error,
	} {
		m, err := jsonrpc.ParseLenient([]byte(text))
		if got := OutcomeOf(m); err != nil || got != want {
			t.Errorf("%s: %s, error %v", text, got, err)
		}
	}
}

func FuzzLearn(f *testing.F) {
	f.Add([]byte(`{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"1"}`))
	f.Add([]byte(`{"tools":{"name":"a"}}`))
	f.Add([]byte("{\"tools\":[{\"name\":\"\xff\"}]}"))
	f.Fuzz(func(t *testing.T, result []byte) {
		var n Names
		n.Learn(result)
		for _, name := range n.List() {
			if !isName(name) {
				t.Errorf("%q is known", name)
			}
		}
	})
}
