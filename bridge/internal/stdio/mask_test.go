package stdio_test

import (
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/launch/mask"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// TestSecretsInWords: what a server writes of its secrets is neither logged nor
// kept, not in part either where a line is cut.
func TestSecretsInWords(t *testing.T) {
	const secret = "s3cret-value-0123456789"
	r, log := run(t, "leak", func(cmd *stdio.Command) {
		cmd.Env = append(cmd.Env, "TOKEN="+secret)
		cmd.Mask = mask.New([]string{secret})
	})
	child := start(t, r)
	if _, _, err := child.Receive(); err == nil {
		t.Error("a message came")
	}
	said := strings.Join(child.Exit().Lines, "\n") + child.Exit().String() + log.String()
	if strings.Contains(said, "s3cret") || strings.Contains(said, "0123456789") || !strings.Contains(said, "the token is ***") || strings.Count(said, "x***") == 0 {
		t.Errorf("it said: %s", said)
	}
}
