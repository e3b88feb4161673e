package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestLongLogs: of more than is kept, the newest lines are.
func TestLongLogs(t *testing.T) {
	known := &pods{}
	known.set(logged("mcp-a-0", 1))
	line := func(n int) string { return fmt.Sprintf("%05d %s\n", n, strings.Repeat("x", 1017)) }
	d := logsOf(t, known, func(w http.ResponseWriter, _ *http.Request) {
		for n := range 9999 {
			if _, err := io.WriteString(w, line(n)); err != nil {
				return
			}
		}
	})
	var text bytes.Buffer
	if err := d.Logs(t.Context(), "id", adapters.LogOptions{Lines: 10_000}, &text); err != nil {
		t.Fatal(err)
	}
	got := text.String()
	if len(got) > maxText || len(got) < maxText-2*len(line(0)) || !strings.HasSuffix(got, line(9998)) || len(got)%len(line(0)) != 0 {
		t.Errorf("%d bytes, from %.20q to %q", len(got), got, got[max(0, len(got)-5):])
	}
}

func TestTail(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"0123\n5678\n", "0123\n5678\n"},
		{"a\n0123\n5678\n", "5678\n"},
		{strings.Repeat("0123\n", 100_000) + "56\n", "0123\n56\n"},
		{strings.Repeat("x", 100_000) + "\nlast", "last"},
		{strings.Repeat("x", 100_000) + "0123456789", "3456789"},
		{strings.Repeat("x", 100_000) + "0123456789\n", "456789\n"},
	} {
		for name, from := range map[string]io.Reader{"whole": strings.NewReader(test.text), "halves": iotest.HalfReader(strings.NewReader(test.text))} {
			if got, err := tail(from, 10, 3); err != nil || string(got) != test.want {
				t.Errorf("%s, %d bytes: %q, %v, want %q", name, len(test.text), got, err, test.want)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := tail(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(broken)), 10, 3); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
