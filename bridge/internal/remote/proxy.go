// Package remote passes MCP requests on to a server elsewhere that speaks
// streamable HTTP itself. Both eras of the protocol go through untouched: it
// changes where a request goes and what headers it has, never what it says. It
// dials only what the policy for addresses allows, name resolution included.
package remote

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
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
	// Forward are the names, in lower case, of the gateway's own headers that the
	// server gets. All others are dropped. Nil means that it gets none.
	Forward []string
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
	dialer    *net.Dialer
	transport *http.Transport
	proxy     *httputil.ReverseProxy
	sessions  *sessions
	inFlight  atomic.Int64
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
	p := &Proxy{cfg: cfg, sessions: newSessions()}
	p.dialer = &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: p.control}
	p.transport = &http.Transport{
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
	p.proxy = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      p.transport,
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
	if isBirth(r) {
		if why, ok := p.cfg.Admit(); !ok {
			w.Header().Set("Retry-After", "5")
			writeError(w, http.StatusServiceUnavailable, nil, why)
			return
		}
	}
	p.inFlight.Add(1)
	defer p.inFlight.Add(-1)
	r, err := readMessage(w, r, p.cfg.MaxBody)
	if err != nil {
		status, message := describe(err)
		writeError(w, status, nil, message)
		return
	}
	p.proxy.ServeHTTP(w, r)
}

// isBirth reports whether a request may begin a session.
func isBirth(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get(headerSession) == "" && r.Header.Get("Mcp-Method") == ""
}

// dropped are request headers that are for this side only: credentials for the
// gateway, and what describes the browser's page rather than the request.
var dropped = []string{"Authorization", "Proxy-Authorization", "Cookie", "Origin", "Referer", "Forwarded", "X-Real-Ip", "Via", "X-Api-Key"}

func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	// The endpoint is one URL: the client's path and query are not the server's.
	target := *p.cfg.URL
	pr.Out.URL = &target
	pr.Out.Host = ""
	for _, name := range dropped {
		pr.Out.Header.Del(name)
	}
	dropInternal(pr.Out.Header, p.cfg.Forward)
	if pr.Out.Header.Get("User-Agent") == "" {
		pr.Out.Header.Set("User-Agent", "mooring-bridge")
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

var (
	// errRedirect is for a server that answers from elsewhere. Following would
	// send the client's message to an address that nobody chose.
	errRedirect = errors.New("the remote server redirects")
	// errUnauthorized is for a server that wants credentials. A client that saw
	// its challenge would get a token for that server and send it to the gateway.
	errUnauthorized = errors.New("the remote server wants credentials")
)

func (p *Proxy) judge(resp *http.Response) error {
	dropInternal(resp.Header, nil)
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		where := "nowhere"
		if to, err := resp.Location(); err == nil {
			where = to.Redacted()
		}
		p.cfg.Log.Warn("remote server redirects; set MCP_PROXY_URL to where it leads", "status", resp.StatusCode, "to", where)
		return errRedirect
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return errUnauthorized
	}
	p.sessions.note(resp, time.Now())
	return nil
}

// fail answers for a request that the server did not.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		// The client has gone, and nobody reads the answer.
		return
	}
	status, message := describe(err)
	p.cfg.Log.Warn("remote server did not answer", "error", err, "status", status)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	writeError(w, status, requestID(r), message)
}

// describe says what a client is told of an error: no addresses.
func describe(err error) (status int, message string) {
	var tooLong *http.MaxBytesError
	var timeout net.Error
	var dial *net.OpError
	switch {
	case errors.As(err, &tooLong):
		return http.StatusRequestEntityTooLarge, "the message is too large"
	case errors.Is(err, errRedirect):
		return http.StatusBadGateway, "the remote MCP server redirects elsewhere, which is not followed"
	case errors.Is(err, errUnauthorized):
		return http.StatusBadGateway, "the remote MCP server wants credentials that this adapter does not have"
	case errors.Is(err, launch.ErrAddressRefused):
		return http.StatusBadGateway, "the remote MCP server's address is not allowed"
	case errors.As(err, &dial) && dial.Op == "dial":
		// Nothing was sent, so the client may try again.
		return http.StatusServiceUnavailable, "the remote MCP server cannot be reached"
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusGatewayTimeout, "the remote MCP server did not answer in time"
	}
	return http.StatusBadGateway, "the connection to the remote MCP server failed"
}

func writeError(w http.ResponseWriter, status int, rawID []byte, message string) {
	code := jsonrpc.CodeInternal
	if status < http.StatusInternalServerError {
		code = jsonrpc.CodeInvalidRequest
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error means that the client has gone, and there is nobody to tell.
	_, _ = w.Write(jsonrpc.ErrorResponse(rawID, code, message))
}
