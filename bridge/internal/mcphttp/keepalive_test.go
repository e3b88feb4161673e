package mcphttp_test

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

// comments reads lines of the answer until there were so many keep-alive
// comments, and returns the lines before them.
func (a *answer) comments(n int) (before []string) {
	a.t.Helper()
	lines := bufio.NewReader(a.Body)
	for n > 0 {
		line, err := lines.ReadString('\n')
		if err != nil {
			a.t.Fatalf("%v after %q", err, before)
		}
		switch line = strings.TrimSpace(line); line {
		case ": keep-alive":
			n--
		case "":
		default:
			before = append(before, line)
		}
	}
	return before
}

// TestSilentStreamsAreKeptAlive: a request whose answer takes long, of either
// era, becomes a stream that carries comments, and so does the session's own.
func TestSilentStreamsAreKeptAlive(t *testing.T) {
	impatient := func(cfg *mcphttp.Config) {
		cfg.PatienceJSON, cfg.KeepAlive, cfg.Retry = time.Millisecond, time.Millisecond, 2*time.Second
	}
	c := serve(t, impatient).connect()
	call := wait(t, c.post(`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t"}}`))
	if got := call.comments(2); len(got) != 3 || !strings.HasPrefix(got[0], "id: ") || got[1] != "retry: 2000" || got[2] != "data:" {
		t.Errorf("the call's stream begins with %q", got)
	}
	if got := c.do("GET", "", c.header, "Accept: text/event-stream").comments(2); len(got) != 3 {
		t.Errorf("the session's stream begins with %q", got)
	}
	b := serveModern(t, impatient)
	modern := wait(t, b.ask("", "prompts/list", modernRequest("1", "prompts/list", "")))
	if got := modern.comments(2); len(got) != 1 || got[0] != ": ok" {
		t.Errorf("the modern stream begins with %q: nothing in it can be resumed", got)
	}
}
