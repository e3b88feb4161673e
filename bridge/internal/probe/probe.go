// Package probe finds out whether a server command works: it starts it, speaks
// initialize with it and ends it again. The process is thrown away, since
// servers that know both eras of the protocol are bound to the era of the first
// message. What it downloads stays in the caches, so sessions start fast after.
package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// crashLoop is how many sessions in a row must end before they begin for the
// command to be called broken.
const crashLoop = 3

// discoverTimeout is how long a server that answers initialize may take to
// answer server/discover. Some of the legacy era do not answer it at all.
const discoverTimeout = 10 * time.Second

// maxRefusal bounds the characters of a server's error message that are shown.
const maxRefusal = 400

// What the probe says to a server: the first message of each era, to a process
// each.
const initialize = `{"jsonrpc":"2.0","id":"probe","method":"initialize","params":{"protocolVersion":"2025-11-25",` +
	`"capabilities":{},"clientInfo":{"name":"mooring-bridge","version":"1"}}}`

const discover = `{"jsonrpc":"2.0","id":"probe","method":"server/discover","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
	`"io.modelcontextprotocol/clientInfo":{"name":"mooring-bridge","version":"1"}}}}`

// Config is what a Prober works with.
type Config struct {
	// Start starts the command. Required.
	Start func() (*stdio.Child, error)
	// Health is told of every change. Required.
	Health *health.Health
	// Timeout is how long the server may take to answer. Zero means 5 min.
	Timeout time.Duration
	// MinBackoff and MaxBackoff bound the time between tries. Zero means 2 s and
	// 60 s.
	MinBackoff, MaxBackoff time.Duration
	// NPMLogs is a folder of the prober's own where Start makes npm write its
	// logs. Empty means that they are not read.
	NPMLogs string
	// Log is required.
	Log *slog.Logger
}

// Prober reports the state of a server command, and tries again while it fails.
type Prober struct {
	cfg    Config
	eras   atomic.Pointer[Eras]
	unborn atomic.Int32  // sessions in a row that ended before they began
	again  chan struct{} // receives when there are too many
}

// Eras says which eras of the protocol a server speaks.
type Eras struct{ Legacy, Modern bool }

// Eras is what the server speaks, as of the last probe that it answered. Before
// that it is taken for one of the legacy era.
func (p *Prober) Eras() Eras {
	if known := p.eras.Load(); known != nil {
		return *known
	}
	return Eras{Legacy: true}
}

// New returns a Prober, which does nothing until Run.
func New(cfg Config) *Prober {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Minute
	}
	if cfg.MinBackoff == 0 {
		cfg.MinBackoff = 2 * time.Second
	}
	if cfg.MaxBackoff == 0 {
		cfg.MaxBackoff = time.Minute
	}
	return &Prober{cfg: cfg, again: make(chan struct{}, 1)}
}

// Born takes note of whether a session's server answered initialize. When
// several in a row did not, the command is probed again.
func (p *Prober) Born(ok bool) {
	if ok {
		p.unborn.Store(0)
		return
	}
	p.cfg.Health.Restarted()
	if p.unborn.Add(1) >= crashLoop {
		select {
		case p.again <- struct{}{}:
		default:
		}
	}
}

// Run probes until the command works, and again when sessions show that it does
// not any more, until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	for tries := 0; ctx.Err() == nil; tries++ {
		status := p.once(ctx)
		if ctx.Err() != nil {
			break
		}
		p.cfg.Health.Set(status)
		if status.State == health.Ready {
			p.cfg.Log.Info("server works")
			begin := time.Now()
			p.unborn.Store(0)
			if !p.untilBroken(ctx) {
				break
			}
			if time.Since(begin) > p.cfg.MaxBackoff {
				tries = 0
			}
		} else {
			p.cfg.Log.Error("server does not work", "reason", status.Reason, "detail", status.Message)
		}
		p.cfg.Health.Restarted()
		select {
		case <-ctx.Done():
		case <-time.After(p.backoff(tries)):
		}
	}
	return nil
}

// backoff is how long to wait after so many tries.
func (p *Prober) backoff(tries int) time.Duration {
	return min(p.cfg.MinBackoff<<min(tries, 16), p.cfg.MaxBackoff)
}

// untilBroken waits until sessions show that the command works no more, or
// returns false when ctx ends.
func (p *Prober) untilBroken(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-p.again:
	}
	p.cfg.Log.Warn("server ends again and again before it begins")
	p.cfg.Health.Set(failed(health.ReasonCrashLoop,
		fmt.Sprintf("the servers of the last %d sessions ended before they answered initialize", crashLoop)))
	return true
}

// once starts the command for each era and returns what came of it.
func (p *Prober) once(ctx context.Context) health.Status {
	if err := emptyFolder(p.cfg.NPMLogs); err != nil {
		p.cfg.Log.Warn("npm's logs will not be read", "error", err)
	}
	legacy, refused := p.try(ctx, initialize, p.cfg.Timeout)
	if ctx.Err() != nil || legacy.State != health.Ready && !refused {
		return legacy
	}
	modern, _ := p.try(ctx, discover, min(p.cfg.Timeout, discoverTimeout))
	eras := Eras{Legacy: legacy.State == health.Ready, Modern: modern.State == health.Ready}
	if !eras.Legacy && !eras.Modern {
		return legacy
	}
	p.cfg.Log.Info("server answers", "legacy", eras.Legacy, "modern", eras.Modern)
	p.eras.Store(&eras)
	return health.Status{State: health.Ready}
}

// try starts the command, says hello to it, and returns what came of it; refused
// says that the server works, but not with this message.
func (p *Prober) try(ctx context.Context, hello string, patience time.Duration) (status health.Status, refused bool) {
	child, err := p.cfg.Start()
	if err != nil {
		return failed(health.ReasonCommandNotFound, err.Error()), false
	}
	type reply struct {
		m   jsonrpc.Message
		err error
	}
	replies := make(chan reply, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		m, err := shake(child, hello)
		replies <- reply{m, err}
		for {
			if _, _, err := child.Receive(); err != nil {
				return
			}
		}
	}()
	// The process is thrown away however it does, and is gone before the next.
	defer func() {
		child.Stop()
		<-read
	}()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	begin := time.Now()
	for {
		select {
		case <-ctx.Done():
			return health.Status{}, false
		case r := <-replies:
			return p.judge(r.m, r.err, child), r.err == nil && r.m.Failed
		case <-timeout.C:
			return failed(health.ReasonStartTimeout, fmt.Sprintf("the server did not answer initialize within %v%s%s",
				patience, readNPM(p.cfg.NPMLogs).activity(), lastWords(child))), false
		case <-look.C:
			p.starting(time.Since(begin), child)
		}
	}
}

// starting says what the server is at, unless it failed before: then that says
// more.
func (p *Prober) starting(since time.Duration, child *stdio.Child) {
	if p.cfg.Health.Status().State != health.Starting {
		return
	}
	doing := readNPM(p.cfg.NPMLogs).activity()
	if doing == "" {
		doing = lastWords(child)
	}
	p.cfg.Health.Set(health.Status{State: health.Starting, Reason: health.ReasonStarting,
		Message: sentence(fmt.Sprintf("the server was started %v ago and has not answered initialize yet%s", since.Round(time.Second), doing))})
}

// shake sends the message and waits for its answer.
func shake(child *stdio.Child, hello string) (jsonrpc.Message, error) {
	// A server that ends at once may do so before it reads; then how it ended
	// says more than that it could not be written to.
	if err := child.Send([]byte(hello)); err != nil && !errors.Is(err, stdio.ErrEnded) {
		return jsonrpc.Message{}, err
	}
	for {
		line, _, err := child.Receive()
		if err != nil {
			return jsonrpc.Message{}, err
		}
		if m, err := jsonrpc.ParseLenient(line); err == nil && m.Kind == jsonrpc.Response {
			return m, nil
		}
	}
}

func (p *Prober) judge(m jsonrpc.Message, err error, child *stdio.Child) health.Status {
	switch {
	case errors.Is(err, stdio.ErrEnded):
		exit := child.Exit()
		exit.Lines = telling(exit.Lines)
		return failed(health.ReasonCommandExited, readNPM(p.cfg.NPMLogs).cause()+"the server "+exit.String())
	case err != nil:
		return failed(health.ReasonHandshakeFailed, err.Error()+lastWords(child))
	case m.Failed || m.ProtocolVersion == "" && !m.Modern:
		return failed(health.ReasonHandshakeFailed, "the server refused initialize"+refusal(m)+lastWords(child))
	}
	return health.Status{State: health.Ready}
}

// refusal is a clause with the server's own error.
func refusal(m jsonrpc.Message) string {
	if !m.Failed {
		return ": its answer names no protocol version"
	}
	text := []rune(m.ErrorMessage)
	if len(text) > maxRefusal {
		text = append(text[:maxRefusal], '…')
	}
	return fmt.Sprintf(" with error %d: %s", m.ErrorCode, string(text))
}

func failed(reason, message string) health.Status {
	return health.Status{State: health.Failed, Reason: reason, Message: sentence(message)}
}

// lastWords is a clause with the newest line of the server, or nothing.
func lastWords(child *stdio.Child) string {
	lines := child.LastLines()
	if len(lines) == 0 {
		return ""
	}
	return "; it wrote last: " + lines[len(lines)-1]
}

// sentence is the text with a capital and a full stop.
func sentence(text string) string {
	// npm's own name stays small.
	if !strings.HasPrefix(text, "npm ") {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
