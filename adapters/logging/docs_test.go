package logging_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters/logging"
)

// TestPage holds the table of keys in the documents against the code.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "## Keys")
	text, _, _ = strings.Cut(text, "## Level")
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(text, -1) {
		got = append(got, row[1])
	}
	want := []string{
		"time", "level", "msg", logging.Part, logging.RequestID, logging.Adapter, logging.Principal, logging.Session,
		logging.Method, logging.Tool, logging.TraceID, logging.SpanID,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-code +page):\n%s", diff)
	}
}
