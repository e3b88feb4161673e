package probe_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/probe"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answering is a shell script of the legacy era that answers the probe once the
// file is there.
const answering = `read line; case "$line" in *discover*) echo '{"jsonrpc":"2.0","id":"probe","error":{"code":-32601,"message":"what?"}}'; read line; exit;; esac; if test -e "$1"; then echo '{"jsonrpc":"2.0","id":"probe","result":{"protocolVersion":"2025-06-18"}}'; read line; ` +
	`else echo "no config" >&2; exit 4; fi`

func probing(t *testing.T, script string, args ...string) (*probe.Prober, *health.Health) {
	t.Helper()
	return probingWith(t, func(*probe.Config) {}, script, args...)
}

func probingWith(t *testing.T, change func(*probe.Config), script string, args ...string) (*probe.Prober, *health.Health) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	runner := stdio.NewRunner(stdio.Command{Name: "sh", Args: append([]string{"-c", script, "sh"}, args...), Env: os.Environ(), Log: log})
	h := &health.Health{}
	cfg := probe.Config{
		Start: func() (*stdio.Child, error) { return runner.Start() }, Health: h,
		MinBackoff: 10 * time.Millisecond, MaxBackoff: 50 * time.Millisecond, Log: log,
	}
	change(&cfg)
	p := probe.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- runner.Run(ctx) }()
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return p, h
}

func await(t *testing.T, h *health.Health, what string, condition func(health.Status) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(h.Status()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s: %+v", what, h.Status())
		}
	}
}

func TestFailureIsRetriedUntilItWorks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	_, h := probing(t, answering, file)
	await(t, h, "failed", func(s health.Status) bool {
		return s.Reason == health.ReasonCommandExited && s.Message == "The server exited with code 4; it wrote: no config."
	})
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, h, "ready", func(s health.Status) bool { return s.State == health.Ready })
}

func TestSessionsThatNeverBeginMakeACrashLoop(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, h := probing(t, answering, file)
	await(t, h, "ready", func(s health.Status) bool { return s.State == health.Ready })
	p.Born(false)
	p.Born(false)
	p.Born(true)
	p.Born(false)
	p.Born(false)
	if s := h.Status(); s.State != health.Ready {
		t.Errorf("single failures make %+v", s)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.Born(false)
	await(t, h, "failed", func(s health.Status) bool { return s.State == health.Failed })
}

func TestErasAreLearnt(t *testing.T) {
	const (
		legacy = `*initialize*) echo '{"jsonrpc":"2.0","id":"probe","result":{"protocolVersion":"2025-06-18"}}';;`
		modern = `*discover*) echo '{"jsonrpc":"2.0","id":"probe","result":{"supportedVersions":["2026-07-28"]}}';;`
		no     = `*) echo '{"jsonrpc":"2.0","id":"probe","error":{"code":-32601,"message":"what?"}}';;`
		dies   = `*) exit 1;;`
	)
	for name, test := range map[string]struct {
		cases string
		want  probe.Eras
	}{
		"both":                {legacy + modern + no, probe.Eras{Legacy: true, Modern: true}},
		"legacy":              {legacy + no, probe.Eras{Legacy: true}},
		"legacy, and strict":  {legacy + dies, probe.Eras{Legacy: true}},
		"modern and no other": {modern + no, probe.Eras{Modern: true}},
	} {
		t.Run(name, func(t *testing.T) {
			p, h := probing(t, `read line; case "$line" in `+test.cases+` esac; read line`)
			if before := p.Eras(); before != (probe.Eras{Legacy: true}) {
				t.Errorf("before: %+v", before)
			}
			await(t, h, "ready", func(s health.Status) bool { return s.State == health.Ready })
			if got := p.Eras(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestGarbageBeforeTheAnswer(t *testing.T) {
	_, h := probing(t, `read line; echo hello; echo '{"log":1}'; echo '{"jsonrpc":"2.0","id":"probe","result":{}}'; read line`)
	await(t, h, "failed", func(s health.Status) bool {
		return s.Reason == health.ReasonHandshakeFailed && strings.Contains(s.Message, "it wrote last: hello")
	})
}

// TestToolsAreLearnt: the server is ready with the names of its tools, and
// without them where it does not list any.
func TestToolsAreLearnt(t *testing.T) {
	const (
		begin = `read line; case "$line" in `
		no    = `*) echo '{"jsonrpc":"2.0","id":"probe","error":{"code":-32601,"message":"what?"}}'; exit;; esac; `
		list  = `read line; echo '{"jsonrpc":"2.0","id":"tools","result":{"tools":[]}}'; read line`
	)
	for name, test := range map[string]struct{ script, want string }{
		"legacy": {begin + `*initialize*) echo '{"jsonrpc":"2.0","id":"probe","result":{"protocolVersion":"2025-06-18"}}';; ` + no + `read line; ` + list, `{"tools":[]}`},
		"modern": {begin + `*discover*) echo '{"jsonrpc":"2.0","id":"probe","result":{"supportedVersions":["2026-07-28"]}}';; ` + no + list, `{"tools":[]}`},
		"refuses": {begin + `*initialize*) echo '{"jsonrpc":"2.0","id":"probe","result":{"protocolVersion":"2025-06-18"}}';; ` + no +
			`echo '{"jsonrpc":"2.0","id":"tools","error":{"code":-32601,"message":"what?"}}'; read line`, ""},
		"ends": {begin + `*initialize*) echo '{"jsonrpc":"2.0","id":"probe","result":{"protocolVersion":"2025-06-18"}}';; ` + no, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var learnt atomic.Value
			learnt.Store("")
			_, h := probingWith(t, func(c *probe.Config) { c.Learn = func(result []byte) { learnt.Store(string(result)) } }, test.script)
			await(t, h, "ready", func(s health.Status) bool { return s.State == health.Ready })
			if got := learnt.Load(); got != test.want {
				t.Errorf("learnt %q, want %q", got, test.want)
			}
		})
	}
}
