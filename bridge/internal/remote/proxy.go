// Package remote passes MCP requests on to a server elsewhere that speaks
// streamable HTTP itself. Both eras of the protocol go through untouched: it
// changes where a request goes and what headers it has, never what it says. It
// dials only what the policy for addresses allows, name resolution included.
package remote

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/bearer"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// Config is what a Proxy works with.
type Config struct {
	// URL is the remote server's MCP endpoint, as launch.CheckURL allows it.
	// Required.
	URL *url.URL
	// Policy judges every address that is dialled.
	Policy launch.URLPolicy
	// EgressFile is the operator's file that narrows or widens Policy. It is read
	// whenever an address is dialled, so that a change counts at once; while it
	// cannot be read nothing is dialled. Empty means none.
	EgressFile string
	// Forward are the names, in lower case, of headers that the server gets
	// although they are the gateway's own, or the credentials of who calls it.
	// All others are dropped. Nil means that it gets none.
	Forward []string
	// Headers are what the server gets with each request, in the place of what the
	// client sent under these names. Nil means nothing.
	Headers http.Header
	// Admit reports whether new sessions may be born, and if not, says why in a
	// sentence for clients. Nil means always.
	Admit func() (refusal string, ok bool)
	// MaxBody is the longest message from a client in bytes. Zero means 4 MiB.
	MaxBody int64
	// ResponseTimeout is how long the server may take to begin its answer, which
	// for some is as long as a tool runs. Zero means 10 min.
	ResponseTimeout time.Duration
	// TLS is used for https. Nil means the system's roots.
	TLS *tls.Config
	// Tokens give the bearer token of every request. Nil means none.
	Tokens bearer.Source
	// Recovery makes session ids by which a session can be gone on with after the
	// server has lost its own. Nil means that ids are the server's.
	Recovery *recovery.Keeper
	// Old serves clients while the server speaks the transport of 2024-11-05, with
	// what NewOld returns. Nil means that such servers are not spoken to.
	Old http.Handler
	// MaxMessage is the longest message of such a server in bytes. Zero means
	// 16 MiB.
	MaxMessage int
	// Tools counts calls of tools, and learns what tools there are. Nil means that
	// nobody does.
	Tools *tools.Meter
	// Event is told what happens to sessions: started, recovered, closed, lost.
	// Nil means nobody.
	Event func(event string)
	// Tracer makes the spans of messages, and Adapter is the adapter's name in them.
	// Nil makes none.
	Tracer  *tracing.Tracer
	Adapter string
	// Log is required.
	Log *slog.Logger
}

// The time that connecting may take.
const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
)

// Proxy is the way to one remote server.
type Proxy struct {
	cfg       Config
	hop       string // its name in what requests have passed
	dialer    *net.Dialer
	conns     *http.Transport
	transport http.RoundTripper // the same, with the workload's token
	proxy     *httputil.ReverseProxy
	sessions  *sessions
	inFlight  atomic.Int64

	old     atomic.Bool // the server speaks the old transport
	looking sync.Mutex  // held while that is found out
	looked  time.Time   // when it was found that it does not
}

// New returns the way to the server. It dials nothing yet.
func New(cfg Config) *Proxy {
	if cfg.Admit == nil {
		cfg.Admit = func() (string, bool) { return "", true }
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 4 << 20
	}
	if cfg.ResponseTimeout == 0 {
		cfg.ResponseTimeout = 10 * time.Minute
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = 16 << 20
	}
	if cfg.Event == nil {
		cfg.Event = func(string) {}
	}
	p := &Proxy{cfg: cfg, hop: hopName(cfg.URL), sessions: newSessions()}
	p.dialer = &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: p.control}
	p.conns = &http.Transport{
		// Proxy stays nil: behind a proxy the address that is checked would be
		// the proxy's, and the adapter's own variables could name one.
		DialContext:           p.dialer.DialContext,
		TLSClientConfig:       cfg.TLS,
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: cfg.ResponseTimeout,
		ForceAttemptHTTP2:     true,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   64,
		// Compressed answers are the client's and the server's affair.
		DisableCompression: true,
	}
	p.transport = p.conns
	if cfg.Tokens != nil {
		p.transport = authorizing{cfg.Tokens, p.conns}
	}
	p.proxy = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      recovering{p, p.transport},
		FlushInterval:  -1,
		ModifyResponse: p.judge,
		ErrorHandler:   p.fail,
		ErrorLog:       slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return p
}

// control judges an address that is about to be dialled.
func (p *Proxy) control(network, address string, conn syscall.RawConn) error {
	policy := p.cfg.Policy
	if p.cfg.EgressFile != "" {
		egress, err := launch.ReadEgress(p.cfg.EgressFile)
		if err != nil {
			return fmt.Errorf("%w: %w", launch.ErrAddressRefused, err)
		}
		policy = policy.With(egress)
	}
	return policy.Control(network, address, conn)
}

// InFlight is how many requests are being served, open streams included.
func (p *Proxy) InFlight() int { return int(p.inFlight.Load()) }

// Sessions is how many sessions are known to be open: born through this proxy,
// not ended, and used in the last half hour.
func (p *Proxy) Sessions() int { return p.sessions.count(time.Now()) }

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if looped(r.Header, p.hop) {
		p.refuse(w, r, http.StatusLoopDetected, "the request goes round in a circle: the remote MCP server leads back here")
		return
	}
	if p.old.Load() {
		p.cfg.Old.ServeHTTP(w, r)
		return
	}
	if isBirth(r) {
		if why, ok := p.cfg.Admit(); !ok {
			w.Header().Set("Retry-After", "5")
			w.Header().Set(launch.HeaderUnsent, "1")
			p.refuse(w, r, http.StatusServiceUnavailable, why)
			return
		}
	}
	p.inFlight.Add(1)
	defer p.inFlight.Add(-1)
	begin := time.Now()
	read, err := readMessage(w, r, p.cfg.MaxBody)
	if err != nil {
		status, message := describe(err)
		p.refuse(w, r, status, message)
		return
	}
	r, ended := p.traced(p.parsed(read), begin)
	defer ended()
	r, ok := p.inSession(r)
	if !ok {
		p.refuse(w, r, http.StatusNotFound, "the session does not exist or has ended")
		return
	}
	if t := p.tallyOf(exchangeOf(r)); t != nil {
		e := exchangeOf(r)
		e.tally = t
		r = e.with(r)
		defer t.left(r)
	}
	p.proxy.ServeHTTP(w, r)
}

// isBirth reports whether a request may begin a session.
func isBirth(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get(headerSession) == "" && r.Header.Get("Mcp-Method") == ""
}

// inSession is the request with the session that it names. It returns false for
// one that is not, has ended, or is another's.
func (p *Proxy) inSession(r *http.Request) (*http.Request, bool) {
	ids := r.Header.Values(headerSession)
	if p.cfg.Recovery == nil || len(ids) == 0 {
		return r, true
	}
	s := p.sessions.find(ids[0], r.Header.Get(launch.HeaderPrincipal), p.cfg.Recovery, time.Now())
	if s == nil || len(ids) > 1 {
		return r, false
	}
	e := exchangeOf(r)
	e.session = s
	return e.with(r), true
}

// dropped are request headers that are for this side only: credentials for the
// gateway, and what describes the browser's page rather than the request.
var dropped = []string{"Authorization", "Proxy-Authorization", "Cookie", "Origin", "Referer", "Forwarded", "X-Real-Ip", "Via", "X-Api-Key"}

// onceHeaders make Go's client send a POST again after the server may have got
// it. In lower case it does not know them, and the server does.
var onceHeaders = []string{"Idempotency-Key", "X-Idempotency-Key"}

func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	// The endpoint is one URL: the client's path and query are not the server's.
	target := *p.cfg.URL
	pr.Out.URL = &target
	pr.Out.Host = ""
	for _, name := range dropped {
		if !slices.Contains(p.cfg.Forward, strings.ToLower(name)) {
			pr.Out.Header.Del(name)
		}
	}
	for _, name := range onceHeaders {
		if values := pr.Out.Header.Values(name); len(values) > 0 {
			pr.Out.Header.Del(name)
			pr.Out.Header[strings.ToLower(name)] = values
		}
	}
	dropInternal(pr.Out.Header, p.cfg.Forward)
	inject(pr.Out.Header, exchangeOf(pr.In).asked)
	p.introduce(pr.Out.Header)
}

// introduce adds what every request to the server has.
func (p *Proxy) introduce(h http.Header) {
	for name, values := range p.cfg.Headers {
		h[name] = values
	}
	h.Add(headerLoop, p.hop)
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", "mooring-bridge")
	}
}

// dropInternal removes the gateway's own headers, but for those to keep.
func dropInternal(h http.Header, keep []string) {
	for name := range h {
		lower := strings.ToLower(name)
		if slices.Contains(keep, lower) {
			continue
		}
		if strings.HasPrefix(lower, launch.InternalHeaderPrefix) || strings.HasPrefix(lower, "x-envoy-") {
			delete(h, name)
		}
	}
}
