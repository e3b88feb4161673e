package remote

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

const (
	headerSession     = "Mcp-Session-Id"
	headerVersion     = "Mcp-Protocol-Version"
	headerLastEventID = "Last-Event-Id"

	typeJSON = "application/json"
	typeSSE  = "text/event-stream"
)

var (
	// errRedirect is for a server that answers from elsewhere. Following would
	// send the client's message to an address that nobody chose.
	errRedirect = errors.New("the remote server redirects")
	// errUnauthorized is for a server that wants credentials. A client that saw
	// its challenge would get a token for that server and send it to the gateway.
	errUnauthorized = errors.New("the remote server wants credentials")
)

// refusal is an answer by which the server may say that it does not speak
// streamable HTTP.
type refusal struct {
	status      int
	contentType string
	body        []byte
}

// Error implements error.
func (r *refusal) Error() string {
	return "the remote server refuses with status " + strconv.Itoa(r.status)
}

// judge looks at an answer before the client gets it.
func (p *Proxy) judge(resp *http.Response) error {
	dropInternal(resp.Header, nil)
	if resp.StatusCode >= 400 {
		exchangeOf(resp.Request).failed(strconv.Itoa(resp.StatusCode))
	}
	t := exchangeOf(resp.Request).tally
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		where := "nowhere"
		if to, err := resp.Location(); err == nil {
			where = to.Redacted()
		}
		p.log(resp.Request).Warn("remote server redirects; set MCP_PROXY_URL to where it leads", "status", resp.StatusCode, "to", where)
		t.end(tools.Error)
		return errRedirect
	}
	if resp.StatusCode == http.StatusUnauthorized {
		t.end(tools.Error)
		return errUnauthorized
	}
	if err := p.refused(resp); err != nil {
		return err
	}
	t.listen(resp)
	if p.cfg.Recovery == nil {
		p.note(resp)
		return nil
	}
	return p.keep(resp)
}

// refused returns a refusal where the answer could mean that the server speaks
// the old transport only: some 4xx to a message without session (so the protocol
// has it), which no server of MCP has written.
func (p *Proxy) refused(resp *http.Response) error {
	switch req := resp.Request; {
	case p.cfg.Old == nil, resp.StatusCode < 400, resp.StatusCode >= 500, req.Method != http.MethodPost, req.Header.Get(headerSession) != "":
		return nil
	}
	switch resp.StatusCode {
	case http.StatusForbidden, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return nil
	}
	if _, ok := peek(resp); ok {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHead))
	if err != nil {
		return err
	}
	return &refusal{resp.StatusCode, resp.Header.Get("Content-Type"), body}
}

// note counts the sessions of a server that gives ids by itself.
func (p *Proxy) note(resp *http.Response) {
	asked := resp.Request.Header.Get(headerSession)
	ended := resp.StatusCode == http.StatusNotFound || resp.Request.Method == http.MethodDelete && resp.StatusCode < 300
	given := resp.Header.Get(headerSession)
	switch {
	case asked != "" && ended:
		p.sessions.forget(asked)
	case asked != "" && resp.StatusCode < 300:
		p.sessions.see(asked, time.Now())
	case asked == "" && resp.StatusCode < 300 && given != "":
		p.sessions.see(given, time.Now())
		exchangeOf(resp.Request).served.Set(attributeSession, logging.SessionHash(given))
		p.cfg.Event("started")
	}
}

// keep puts the client's id of the session in the place of the server's, and
// notes what the answer means for it.
func (p *Proxy) keep(resp *http.Response) error {
	e := exchangeOf(resp.Request)
	s := e.session
	if s == nil {
		p.mint(resp, e)
		return nil
	}
	if resp.Header.Get(headerSession) != "" {
		resp.Header.Set(headerSession, s.id)
	}
	switch {
	case resp.StatusCode >= 300:
		return nil
	case resp.Request.Method == http.MethodDelete:
		p.sessions.forget(s.id)
		p.cfg.Event("closed")
		return s.bury(p.cfg.Recovery)
	case isSSE(resp):
		rawID := requestID(resp.Request)
		watchAnswer(resp, s, rawID)
	}
	if err := s.set(e.message, p.cfg.Recovery); err != nil {
		p.log(resp.Request).Warn("what was set in a session may be lost with it", "error", err)
	}
	return nil
}

// mint makes an id for a session that the server has begun.
func (p *Proxy) mint(resp *http.Response, e exchange) {
	given := resp.Header.Get(headerSession)
	resp.Header.Del(headerSession)
	m, err := jsonrpc.Parse(e.message)
	if given == "" || resp.StatusCode >= 300 || err != nil || m.Method != jsonrpc.MethodInitialize {
		return
	}
	born := recovery.Session{
		Initialize: bytes.Clone(m.At.Params.Of(e.message)), Principal: e.in.Header.Get(launch.HeaderPrincipal), Born: time.Now(), Upstream: given,
	}
	s := &session{id: p.cfg.Recovery.Mint(born), born: born, upstream: given}
	p.sessions.add(s, time.Now())
	resp.Header.Set(headerSession, s.id)
	e.served.Set(attributeSession, logging.SessionHash(s.id))
	p.cfg.Event("started")
}

func isSSE(resp *http.Response) bool {
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && t == typeSSE
}

// fail answers for a request that the server did not.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		// The client has gone, and nobody reads the answer.
		return
	}
	var refused *refusal
	if errors.As(err, &refused) {
		p.failRefused(w, r, refused)
		return
	}
	status, message := describe(err)
	exchangeOf(r).failed("unanswered")
	p.log(r).Warn("remote server did not answer", "error", err, "status", status)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	writeError(w, status, requestID(r), message)
}

// failRefused answers for a request that the server has refused: by the old
// transport where the server speaks that, else by the refusal.
func (p *Proxy) failRefused(w http.ResponseWriter, r *http.Request, refused *refusal) {
	if p.looksOld(r.Context()) {
		e := exchangeOf(r)
		e.tally.elsewhere()
		in := e.in.Clone(r.Context())
		setBody(in, e.message)
		p.cfg.Old.ServeHTTP(w, in)
		return
	}
	exchangeOf(r).tally.end(tools.Error)
	if refused.contentType != "" {
		w.Header().Set("Content-Type", refused.contentType)
	}
	w.WriteHeader(refused.status)
	// An error means that the client has gone, and there is nobody to tell.
	_, _ = w.Write(refused.body)
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
	case errors.Is(err, errNoToken):
		return http.StatusServiceUnavailable, "the adapter's workload identity got no token for the remote MCP server"
	case errors.Is(err, launch.ErrAddressRefused):
		return http.StatusBadGateway, "the remote MCP server's address is not allowed"
	case errors.As(err, &dial) && dial.Op == "dial":
		// Nothing was sent, so the client may try again.
		return http.StatusServiceUnavailable, "the remote MCP server cannot be reached"
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusGatewayTimeout, "the remote MCP server did not answer in time"
	}
	return http.StatusBadGateway, cutMessage
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
