package probe

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// starter starts the server in one of several ways.
type starter = func() (*stdio.Child, error)

// Shortcut is a way to start the server without the wrapper that fetches it.
type Shortcut interface {
	// Find looks for it while child, a wrapped server that has answered, still
	// runs. It returns nil where there is none.
	Find(child *stdio.Child) func() (*stdio.Child, error)
	// Use says whether the way that Find has found last is the one to go from now
	// on.
	Use(bool)
}

// uvUnfetched is what uv says when it cannot reach where packages are.
var uvUnfetched = regexp.MustCompile(`(?i)failed to fetch|error sending request`)

// directTimeout is how long a server that has answered within its wrapper may
// take to answer without it.
const directTimeout = 30 * time.Second

// attempt is one process to say hello to.
type attempt struct {
	start    starter
	hello    string
	patience time.Duration
	// list are the messages that ask a server that works for its tools. None means
	// that it is not asked.
	list []string
	// hopeless is asked each second whether to give up before that. Nil means no.
	hopeless func(since time.Duration) bool
	shortcut Shortcut // asked when the server has answered; nil means none
}

// lists reports whether the server is to be asked for its tools.
func (a attempt) lists(cfg Config) bool { return cfg.Learn != nil && len(a.list) > 0 }

// outcome is what came of an attempt.
type outcome struct {
	status health.Status
	// refused says that the server works, but not with this message.
	refused bool
	// unfetched says that its package could not be fetched.
	unfetched bool
	// identity is by what the server's answer is known.
	identity string
	// start is how it was started, and direct how it could be without a wrapper.
	start, direct starter
}

func (o outcome) works() bool { return o.status.State == health.Ready }

// once starts the command for each era and returns what came of it.
func (p *Prober) once(ctx context.Context) health.Status {
	if err := emptyFolder(p.cfg.NPMLogs); err != nil {
		p.cfg.Log.Warn("npm's logs will not be read", "error", err)
	}
	legacy := p.begin(ctx)
	if ctx.Err() != nil || !legacy.works() && !legacy.refused {
		return legacy.status
	}
	start := p.shortest(ctx, legacy)
	second := attempt{start: start, hello: discover, patience: min(p.cfg.Timeout, discoverTimeout)}
	if !legacy.works() {
		second.list = []string{listModern}
	}
	modern := p.try(ctx, second)
	eras := Eras{Legacy: legacy.works(), Modern: modern.works()}
	if !eras.Legacy && !eras.Modern {
		return legacy.status
	}
	p.cfg.Log.Info("server answers", "legacy", eras.Legacy, "modern", eras.Modern)
	p.eras.Store(&eras)
	return health.Status{State: health.Ready}
}

// begin starts the command for the first time, which fetches what it needs; or,
// where nothing can be fetched, with what there is.
func (p *Prober) begin(ctx context.Context) outcome {
	online := attempt{
		start: p.cfg.Start, hello: initialize, list: []string{initialized, listLegacy}, patience: p.cfg.Timeout, shortcut: p.cfg.Shortcut,
	}
	if p.cfg.StartOffline == nil {
		return p.try(ctx, online)
	}
	silent := false
	online.hopeless = func(since time.Duration) bool {
		silent = readNPM(p.cfg.NPMLogs).unanswered(since)
		return silent
	}
	first := p.try(ctx, online)
	if !first.unfetched && !silent {
		return first
	}
	p.cfg.Health.Set(first.status)
	offline := online
	offline.start, offline.hopeless = p.cfg.StartOffline, nil
	second := p.try(ctx, offline)
	switch {
	case ctx.Err() != nil || second.works() || second.refused:
		p.cfg.Log.Warn("the package could not be fetched: the server runs as it was fetched before", "detail", first.status.Message)
		return second
	case silent:
		online.hopeless = nil
		return p.try(ctx, online)
	}
	return first
}

// shortest returns how to start the server with as little around it as there
// can be. A way without the wrapper counts only if the same server answers.
func (p *Prober) shortest(ctx context.Context, wrapped outcome) starter {
	if p.cfg.Shortcut == nil {
		return wrapped.start
	}
	if wrapped.direct != nil {
		direct := p.try(ctx, attempt{start: wrapped.direct, hello: initialize, patience: min(p.cfg.Timeout, directTimeout)})
		if direct.identity != "" && direct.identity == wrapped.identity {
			p.cfg.Shortcut.Use(true)
			return wrapped.direct
		}
	}
	p.cfg.Shortcut.Use(false)
	p.cfg.Log.Info("the server runs within its wrapper")
	return wrapped.start
}

// reply is the server's answer to hello.
type reply struct {
	m    jsonrpc.Message
	line []byte
	err  error
}

// try starts the command, says hello to it, and returns what came of it.
func (p *Prober) try(ctx context.Context, a attempt) outcome {
	child, err := a.start()
	if err != nil {
		return outcome{status: failed(health.ReasonCommandNotFound, err.Error())}
	}
	replies := make(chan reply, 2) // to hello, and to list
	read, judged := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		hello := shake(child, a.hello)
		replies <- hello
		if hello.err == nil && !hello.m.Failed && a.lists(p.cfg) {
			replies <- shake(child, a.list...)
		}
		<-judged
		for {
			if _, _, err := child.Receive(); err != nil {
				return
			}
		}
	}()
	// The process is thrown away however it does, and is gone before the next.
	defer func() {
		close(judged)
		child.Stop()
		<-read
	}()
	timeout := time.NewTimer(a.patience)
	defer timeout.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	begin := time.Now()
	for {
		select {
		case <-ctx.Done():
			return outcome{}
		case r := <-replies:
			o := p.answered(a, child, r)
			if o.works() && a.lists(p.cfg) {
				p.learn(ctx, replies)
			}
			return o
		case <-timeout.C:
			return outcome{status: failed(health.ReasonStartTimeout, fmt.Sprintf("the server did not answer initialize within %v%s%s",
				a.patience, readNPM(p.cfg.NPMLogs).activity(), lastWords(child)))}
		case <-look.C:
			p.starting(time.Since(begin), child)
			if a.hopeless != nil && a.hopeless(time.Since(begin)) {
				return outcome{status: failed(health.ReasonStartTimeout, "the package registry does not answer"+lastWords(child))}
			}
		}
	}
}

// learn waits for a server that works to list its tools. One that does not works
// all the same.
func (p *Prober) learn(ctx context.Context, replies <-chan reply) {
	timeout := time.NewTimer(listTimeout)
	defer timeout.Stop()
	select {
	case r := <-replies:
		if r.err == nil && !r.m.Failed {
			p.cfg.Learn(r.m.At.Result.Of(r.line))
		}
	case <-timeout.C:
		p.cfg.Log.Info("the server does not list its tools now")
	case <-ctx.Done():
	}
}

// answered judges what the server said, while it still runs.
func (p *Prober) answered(a attempt, child *stdio.Child, r reply) outcome {
	o := outcome{status: p.judge(r.m, r.err, child), refused: r.err == nil && r.m.Failed, start: a.start}
	if r.err != nil {
		o.unfetched = readNPM(p.cfg.NPMLogs).failures > 0 || uvUnfetched.MatchString(o.status.Message)
		return o
	}
	o.identity = identityOf(r)
	if a.shortcut != nil {
		o.direct = a.shortcut.Find(child)
	}
	return o
}

// identityOf is by what a server's answer to initialize is known: the name and
// version that it gives itself, or the error that it refuses with.
func identityOf(r reply) string {
	if r.m.Failed {
		return "error " + strconv.Itoa(r.m.ErrorCode)
	}
	var result struct {
		ServerInfo jsontext.Value `json:"serverInfo"`
	}
	if json.Unmarshal(bytes.TrimSpace(r.m.At.Result.Of(r.line)), &result) != nil {
		return ""
	}
	return "server " + string(result.ServerInfo)
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
