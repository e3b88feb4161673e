package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestDocs does what the documents tell a reader to type, command for command,
// and looks for what they promise.
func TestDocs(t *testing.T) {
	tests := []struct {
		document string
		// promises are texts that the output has, in this order.
		promises []string
	}{
		{"README.md", []string{
			`"name":"time"`, `Europe/Paris`, `"readyReplicas":2`,
			`"name":"broken"`, `CommandExited`, `no-such-flag`, `no-such-flag`,
			`"jsonrpc":"2.0"`, "[404]", "[204]", "[204]",
		}},
		{"docs/how-to/stdio.md", []string{`"name":"everything"`, `"readyReplicas":1`, "[200]", "2026.8.31", "[204]"}},
		{"docs/how-to/remote.md", []string{`"name":"internal-mcp"`, "[201]"}},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.document), func(t *testing.T) {
			m := harness.Start(t)
			rest := output(t, m, tt.document)
			for _, promise := range tt.promises {
				_, after, found := strings.Cut(rest, promise)
				if !found {
					t.Fatalf("%q is not in the output from here on:\n%s", promise, rest)
				}
				rest = after
			}
		})
	}
}

// shellBlock is what a document marks as typed by the reader.
var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// output is what the shell blocks of a document print, in one shell at the top
// of the repository, with the status of each request in brackets.
func output(t *testing.T, m *harness.Mooring, document string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	script := "curl() { command curl -w '\\n[%{http_code}]\\n' \"$@\"; }\n"
	for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		script += block[1]
	}
	script = strings.ReplaceAll(script, "127.0.0.1:8080", m.Listen)
	cmd := exec.CommandContext(limited(t, 5*time.Minute), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the commands of %s: %v\n%s", document, err, out)
	}
	if strings.Contains(string(out), "[4") && !strings.Contains(script, "made-up") {
		t.Errorf("a request of %s was refused:\n%s", document, fmt.Sprintf("%.8000s", out))
	}
	return string(out)
}
