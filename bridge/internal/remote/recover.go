package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/sse"
)

// renewTimeout bounds how long it may take to begin a session anew.
const renewTimeout = time.Minute

// maxAnswer bounds an answer that is read here, in bytes.
const maxAnswer = 1 << 20

// lostMessage answers a request whose answer was lost with the server's session.
const lostMessage = "the remote MCP server lost the session while it worked on this request, which may or may not have taken effect; the session goes on"

// cutMessage answers a request whose stream ended without its answer.
const cutMessage = "the connection to the remote MCP server was lost while it worked on this request, which may or may not have taken effect"

// recovering sends requests under the server's own id of their session, and
// begins that session anew when the server does not know it any more.
type recovering struct {
	p    *Proxy
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t recovering) RoundTrip(req *http.Request) (*http.Response, error) {
	s := exchangeOf(req).session
	if s == nil {
		return t.next.RoundTrip(req)
	}
	if req.Method == http.MethodGet && req.Header.Get(headerLastEventID) != "" {
		if answers := s.takeLost(); len(answers) > 0 {
			return lostAnswers(req, answers), nil
		}
	}
	upstream, renewed := s.name()
	if upstream != "" {
		resp, err := t.next.RoundTrip(named(req, upstream))
		switch {
		case err != nil:
			return nil, err
		case renewed && resp.StatusCode == http.StatusBadRequest && req.Header.Get(headerLastEventID) != "":
			// The event is one of the session that was.
			discard(resp)
			return t.next.RoundTrip(fresh(named(req, upstream)))
		case resp.StatusCode != http.StatusNotFound || methodMissing(resp):
			return resp, nil
		}
		discard(resp)
	}
	if req.Method == http.MethodDelete {
		return plain(req, http.StatusNoContent, "", nil), nil
	}
	return t.again(req, s, upstream)
}

// again sends a request that the server did not take, in a session that was
// begun anew.
func (t recovering) again(req *http.Request, s *session, lost string) (*http.Response, error) {
	if err := t.renew(req, s, lost); err != nil {
		t.p.log(req).Warn("a session could not be gone on with", "error", err)
		t.p.cfg.Event("lost")
		return plain(req, http.StatusNotFound, typeJSON,
			jsonrpc.ErrorResponse(requestID(req), jsonrpc.CodeInvalidRequest, "the session does not exist or has ended")), nil
	}
	if req.Method == http.MethodGet && req.Header.Get(headerLastEventID) != "" {
		if answers := s.takeLost(); len(answers) > 0 {
			return lostAnswers(req, answers), nil
		}
	}
	again, err := rewound(req)
	if err != nil {
		return nil, err
	}
	upstream, _ := s.name()
	return t.next.RoundTrip(fresh(named(again, upstream)))
}

// renew begins a session anew, unless somebody else has done that by now.
func (t recovering) renew(req *http.Request, s *session, lost string) error {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	if upstream, _ := s.name(); upstream != lost {
		return nil
	}
	ctx, cancel := context.WithTimeout(req.Context(), renewTimeout)
	defer cancel()
	m, upstream, err := t.ask(ctx, req, "", jsonrpc.MethodInitialize, s.born.Initialize)
	version := req.Header.Get(headerVersion)
	switch {
	case err != nil:
		return err
	case m.Failed:
		return errors.New("the server refused initialize")
	case upstream == "":
		return errors.New("the server gives no session id any more")
	case version != "" && m.ProtocolVersion != version:
		return errors.New("the server speaks another version of the protocol now")
	}
	level, resources := s.settings()
	if err := t.tell(ctx, req, upstream, level, resources); err != nil {
		return err
	}
	switch err := s.renew(upstream, t.p.cfg.Recovery); {
	case errors.Is(err, recovery.ErrEnded):
		return err
	case err != nil:
		t.p.log(req).Warn("a session that goes on may be lost with this bridge", "error", err)
	}
	t.p.cfg.Event("recovered")
	t.p.log(req).Info("session goes on with a new one of the remote server", "age", time.Since(s.born.Born).Round(time.Second).String())
	return nil
}

// tell says again what the client had said after initialize.
func (t recovering) tell(ctx context.Context, req *http.Request, upstream, level string, resources []string) error {
	if _, _, err := t.ask(ctx, req, upstream, "notifications/initialized", nil); err != nil {
		return err
	}
	if level != "" {
		if _, _, err := t.ask(ctx, req, upstream, "logging/setLevel", member("level", level)); err != nil {
			return err
		}
	}
	for _, uri := range resources {
		if _, _, err := t.ask(ctx, req, upstream, "resources/subscribe", member("uri", uri)); err != nil {
			return err
		}
	}
	return nil
}

// member is an object with one string.
func member(name, value string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, value)
	return []byte(`{"` + name + `":` + string(quoted) + `}`)
}

// ask sends a message of the bridge's own, with the headers of a request of the
// client, and returns the answer; a notification has none.
func (t recovering) ask(ctx context.Context, like *http.Request, upstream, method string, params []byte) (m jsonrpc.Message, newSession string, err error) {
	var rawID []byte
	if method != "notifications/initialized" {
		rawID = []byte(`"mooring"`)
	}
	message := jsonrpc.Call(rawID, method, params)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, like.URL.String(), bytes.NewReader(message))
	if err != nil {
		return m, "", err
	}
	req.Header = like.Header.Clone()
	for _, name := range []string{headerSession, headerLastEventID, "Content-Length", "Transfer-Encoding"} {
		req.Header.Del(name)
	}
	if upstream == "" {
		req.Header.Del(headerVersion)
	} else {
		req.Header.Set(headerSession, upstream)
	}
	req.Header.Set("Content-Type", typeJSON)
	req.Header.Set("Accept", typeJSON+", "+typeSSE)
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return m, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		return m, "", fmt.Errorf("%s was answered with status %d", method, resp.StatusCode)
	}
	if rawID == nil {
		return m, "", nil
	}
	m, err = readAnswer(resp)
	return m, resp.Header.Get(headerSession), err
}

// readAnswer is the first response in an answer.
func readAnswer(resp *http.Response) (jsonrpc.Message, error) {
	if !isSSE(resp) {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return jsonrpc.Message{}, err
		}
		return jsonrpc.ParseLenient(text)
	}
	events := sse.NewReader(resp.Body, maxAnswer)
	for {
		event, err := events.Next()
		if err != nil {
			return jsonrpc.Message{}, err
		}
		if m, err := jsonrpc.ParseLenient(event.Data); err == nil && m.Kind == jsonrpc.Response {
			return m, nil
		}
	}
}

// methodMissing reports whether a 404 says that there is no such method, rather
// than no such session. What it has read of the answer it puts back.
func methodMissing(resp *http.Response) bool {
	m, ok := peek(resp)
	return ok && m.ErrorCode == jsonrpc.CodeNoMethod
}

// peek is the response that the beginning of an answer's body is, if it is one.
func peek(resp *http.Response) (jsonrpc.Message, bool) {
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxHead))
	if err != nil {
		// Who reads on gets the same error.
		head = nil
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
	m, err := jsonrpc.ParseLenient(head)
	return m, err == nil && m.Kind == jsonrpc.Response
}

// named is the request under the server's own id of the session.
func named(req *http.Request, upstream string) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Set(headerSession, upstream)
	return req
}

// fresh is the request without the event that the client saw last.
func fresh(req *http.Request) *http.Request {
	req.Header.Del(headerLastEventID)
	return req
}

// lostAnswers are the answers to requests that are lost, as a stream.
func lostAnswers(req *http.Request, rawIDs [][]byte) *http.Response {
	var body bytes.Buffer
	for _, rawID := range rawIDs {
		body.WriteString("event: message\ndata: ")
		body.Write(jsonrpc.ErrorResponse(rawID, jsonrpc.CodeInternal, lostMessage))
		body.WriteString("\n\n")
	}
	return plain(req, http.StatusOK, typeSSE, body.Bytes())
}

// plain is an answer that the server did not give.
func plain(req *http.Request, status int, contentType string, body []byte) *http.Response {
	resp := &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: req,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	if contentType != "" {
		resp.Header.Set("Content-Type", contentType)
	}
	return resp
}
