package probe_test

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/probe"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// shortcut starts a server that gives itself the name, where it has one.
type shortcut struct {
	start func() (*stdio.Child, error)
	used  atomic.Int32 // 1 when it is, -1 when it is not
}

func (s *shortcut) Find(*stdio.Child) func() (*stdio.Child, error) { return s.start }

func (s *shortcut) Use(found bool) {
	if s.used.Store(-1); found {
		s.used.Store(1)
	}
}

// TestShortcutIsTakenToTheSameServerOnly: whatever else is started instead must
// introduce itself in the same words.
func TestShortcutIsTakenToTheSameServerOnly(t *testing.T) {
	const script = `[ "$1" != mute ] || exit 1; read line; case "$line" in *discover*) exit;; esac; ` +
		`echo '{"jsonrpc":"2.0","id":"probe","result":{"protocolVersion":"2025-06-18","serverInfo":{"name":"'"$1"'","version":"1"}}}'; read line`
	for name, test := range map[string]struct {
		direct string
		want   int32
	}{
		"the same":  {"a", 1},
		"another":   {"b", -1},
		"none":      {"", -1},
		"no answer": {"mute", -1},
	} {
		t.Run(name, func(t *testing.T) {
			wrapped := stdio.NewRunner(stdio.Command{Name: "sh", Args: []string{"-c", script, "sh", "a"}, Env: os.Environ(), Log: slog.New(slog.DiscardHandler)})
			s := &shortcut{}
			if test.direct != "" {
				direct := stdio.Program{Path: "/bin/sh", Argv: []string{"sh", "-c", script, "sh", test.direct}, Env: os.Environ()}
				s.start = func() (*stdio.Child, error) { return wrapped.StartProgram(direct) }
			}
			h := &health.Health{}
			p := probe.New(probe.Config{Start: func() (*stdio.Child, error) { return wrapped.Start() }, Shortcut: s, Health: h, Log: slog.New(slog.DiscardHandler)})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 2)
			for _, run := range []func(context.Context) error{wrapped.Run, p.Run} {
				go func() { done <- run(ctx) }()
			}
			await(t, h, "ready", func(s health.Status) bool { return s.State == health.Ready })
			if got := s.used.Load(); got != test.want {
				t.Errorf("used: %d, want %d", got, test.want)
			}
			cancel()
			for range 2 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
