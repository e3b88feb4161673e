package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/queue"
	"github.com/mooring-mcp/mooring/bridge/internal/sse"
)

const (
	// greetTimeout is how long an old server may take to name its endpoint.
	greetTimeout = 15 * time.Second
	// sendTimeout is how long it may take to accept a message.
	sendTimeout = time.Minute
)

var (
	// errNotOld: the server does not speak the transport of 2024-11-05.
	errNotOld = errors.New("the remote server does not speak HTTP with SSE either")
	// errEnded: the connection to an old server has ended.
	errEnded = errors.New("the connection to the remote server has ended")
)

// Old is one session with a server that speaks the transport of 2024-11-05,
// HTTP with SSE: the client opens a stream of events, whose first one says where
// to POST messages; all answers come on the stream. So it is like a process, one
// for each session. As with a
// process, Receive must be called until it returns an error, and Stop.
type Old struct {
	p     *Proxy
	ctx   context.Context
	stop  context.CancelFunc
	begin sync.Once
	out   *queue.Queue

	greeted  chan struct{} // closed when endpoint is known
	ended    chan struct{} // closed when the stream is over
	endpoint *url.URL
}

// NewOld returns a session that connects when it is used.
func (p *Proxy) NewOld() *Old {
	o := &Old{p: p, out: queue.New(), greeted: make(chan struct{}), ended: make(chan struct{})}
	o.ctx, o.stop = context.WithCancel(context.Background())
	return o
}

// Stop begins the end of the session.
func (o *Old) Stop() { o.stop() }

// Ending says how it ended.
func (o *Old) Ending() (how string, first bool) { return "lost its connection", true }

// Receive returns the next message of the server, or an error when the stream
// has ended.
func (o *Old) Receive() (message []byte, cut bool, err error) {
	o.connect()
	message, ok := o.out.Next()
	if !ok {
		return nil, false, errEnded
	}
	return message, false, nil
}

// connect begins to read what the server says.
func (o *Old) connect() { o.begin.Do(func() { go o.run() }) }

func (o *Old) run() {
	defer o.out.Close()
	defer close(o.ended)
	defer o.stop()
	events, closeStream, err := o.p.greet(o.ctx)
	if err != nil {
		o.p.cfg.Log.Warn("no session with the remote server", "error", err)
		if errors.Is(err, errNotOld) {
			// It may have been replaced by one that speaks streamable HTTP.
			o.p.old.Store(false)
		}
		return
	}
	defer closeStream()
	o.endpoint = events.endpoint
	close(o.greeted)
	for {
		event, err := events.Next()
		if err != nil {
			o.p.cfg.Log.Debug("the remote server's stream ended", "error", err)
			return
		}
		if event.Name == "message" {
			o.out.AddSlowly(event.Data)
		}
	}
}

// greeting is a stream whose first event was read.
type greeting struct {
	*sse.Reader
	endpoint *url.URL
}

// greet opens a stream and reads where messages are to be sent.
func (p *Proxy) greet(ctx context.Context) (g greeting, closeStream func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	slow := time.AfterFunc(greetTimeout, cancel)
	defer slow.Stop()
	fail := func(err error) (greeting, func(), error) {
		cancel()
		return greeting{}, nil, fmt.Errorf("opening a stream: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.cfg.URL.String(), nil)
	if err != nil {
		return fail(err)
	}
	p.introduce(req.Header)
	req.Header.Set("Accept", typeSSE)
	resp, err := p.transport.RoundTrip(req) //nolint:bodyclose // closeStream does
	if err != nil {
		return fail(err)
	}
	closeStream = func() {
		cancel()
		_ = resp.Body.Close()
	}
	if resp.StatusCode != http.StatusOK || !isSSE(resp) {
		closeStream()
		return fail(fmt.Errorf("%w: status %d", errNotOld, resp.StatusCode))
	}
	g.Reader = sse.NewReader(resp.Body, p.cfg.MaxMessage)
	first, err := g.Next()
	if err != nil {
		closeStream()
		return fail(err)
	}
	if g.endpoint, err = p.endpoint(first); err != nil {
		closeStream()
		return fail(err)
	}
	return g, closeStream, nil
}

// endpoint is where the server wants messages, which must be where the server
// is: another address was judged by nobody.
func (p *Proxy) endpoint(first sse.Event) (*url.URL, error) {
	to, err := p.cfg.URL.Parse(string(first.Data))
	if first.Name != "endpoint" || err != nil {
		return nil, fmt.Errorf("%w: its first event names no endpoint", errNotOld)
	}
	if to.Scheme != p.cfg.URL.Scheme || to.Host != p.cfg.URL.Host || to.User != nil {
		return nil, fmt.Errorf("%w: its endpoint is elsewhere", errNotOld)
	}
	to.Fragment = ""
	return to, nil
}

// Send sends one message. An error means that the server did not get it. When
// nobody knows whether it did, the session ends: its calls are answered so, and
// are not run again.
func (o *Old) Send(message []byte) error {
	o.connect()
	slow := time.NewTimer(greetTimeout)
	defer slow.Stop()
	select {
	case <-o.greeted:
	case <-o.ended:
		return errEnded
	case <-slow.C:
		return errEnded
	}
	ctx, cancel := context.WithTimeout(o.ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.endpoint.String(), bytes.NewReader(message))
	if err != nil {
		return err
	}
	o.p.introduce(req.Header)
	req.Header.Set("Content-Type", typeJSON)
	resp, err := o.p.transport.RoundTrip(req)
	if err != nil {
		o.stop()
		if status, _ := describe(err); status == http.StatusServiceUnavailable {
			return errEnded
		}
		return nil
	}
	discard(resp)
	return o.sent(message, resp.StatusCode)
}

// sent judges the answer to a message.
func (o *Old) sent(message []byte, status int) error {
	switch {
	case status < 300:
		return nil
	case status == http.StatusNotFound || status == http.StatusGone:
		o.stop()
		return errEnded
	case status < 500:
		// This message was refused, and the session goes on.
		if m, err := jsonrpc.ParseLenient(message); err == nil && m.Kind == jsonrpc.Request {
			o.out.Add(jsonrpc.ErrorResponse(m.RawID, jsonrpc.CodeInvalidRequest, fmt.Sprintf("the remote MCP server refused the message with status %d", status)))
		}
		return nil
	}
	o.stop()
	return nil
}

// looksOld reports whether the server speaks the old transport. It asks at most
// once in a while: most servers that refuse a message just refuse it.
func (p *Proxy) looksOld(ctx context.Context) bool {
	p.looking.Lock()
	defer p.looking.Unlock()
	if p.old.Load() {
		return true
	}
	if time.Since(p.looked) < lookAgain {
		return false
	}
	_, closeStream, err := p.greet(ctx)
	if err != nil {
		p.looked = time.Now()
		p.cfg.Log.Debug("remote server is none of the old transport", "error", err)
		return false
	}
	closeStream()
	p.old.Store(true)
	p.cfg.Log.Info("remote server speaks the transport of 2024-11-05")
	return true
}

// lookAgain is how long a server that was seen not to be old is not asked again.
const lookAgain = 10 * time.Second
