package mcphttp_test

import (
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

// TestLifetimeInTheModernEra ends a process that is used all the time, but not
// under a request; the next request gets another one.
func TestLifetimeInTheModernEra(t *testing.T) {
	b := serveModern(t, func(cfg *mcphttp.Config) {
		// Looked at each 10 ms.
		cfg.IdleTimeout, cfg.Lifetime = 200*time.Millisecond, 100*time.Millisecond
	})
	request := modernRequest("1", "prompts/list", "")
	answers := b.ask("ann", "prompts/list", request)
	old := wait(t, b.children)
	id := got(t, old, "prompts/list")
	wait(t, time.After(130*time.Millisecond))
	select {
	case <-old.stopped:
		t.Fatal("it is ended with a request in flight")
	default:
	}
	tell(t, old, `{"jsonrpc":"2.0","id":%,"result":{}}`, id)
	if a := wait(t, answers); a.StatusCode != 200 {
		t.Errorf("got %d", a.StatusCode)
	}
	wait(t, old.stopped)
	answers = b.ask("ann", "prompts/list", request)
	fresh := wait(t, b.children)
	tell(t, fresh, `{"jsonrpc":"2.0","id":%,"result":{}}`, got(t, fresh, "prompts/list"))
	if a := wait(t, answers); a.StatusCode != 200 {
		t.Errorf("the next request gets %d", a.StatusCode)
	}
}
