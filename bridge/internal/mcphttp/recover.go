package mcphttp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
)

// lostMessage answers a request whose answer was lost with its process.
const lostMessage = "the MCP server's process was lost while it worked on this request, which may or may not have taken effect; the session goes on"

// mint is the id of a new session.
func (h *Handler) mint(principal string, initialize []byte) string {
	if h.cfg.Recovery == nil {
		return randomID()
	}
	return h.cfg.Recovery.Mint(recovery.Session{Initialize: initialize, Principal: principal, Born: time.Now()})
}

// revive goes on with a session that is not here any more, or never was: it
// starts a process and tells it what the client had said. The log tells by which
// request.
func (h *Handler) revive(r *http.Request, id, principal string) (*session, *refusal) {
	if h.cfg.Recovery == nil {
		return nil, unknownSession()
	}
	old, notes, ok := h.cfg.Recovery.Read(id, time.Now())
	if !ok || old.Principal != principal {
		return nil, unknownSession()
	}
	s, first, ref := h.newSession(r, principal, id, make(chan struct{}))
	if ref != nil {
		return nil, ref
	}
	if first {
		// Not bound to this request: others may wait for the same session.
		log := h.log(r, jsonrpc.Message{})
		h.wg.Go(func() { s.replay(old, notes, log) })
	}
	return s, nil
}

// await waits until a session can be gone on with, and says why it cannot.
func (s *session) await(ctx context.Context) *refusal {
	if s.revived == nil {
		return nil
	}
	select {
	case <-s.revived:
	case <-ctx.Done():
		return busy(1, "the session is about to go on")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// unlessGone makes a client come again for a session that ended just now, and
// can be gone on with.
func (h *Handler) unlessGone(ref *refusal) *refusal {
	if ref != nil && ref.gone && h.cfg.Recovery != nil {
		return busy(1, "the session's process has just ended; the session goes on").again()
	}
	return ref
}

// replay tells the new process what the client had told the old one.
func (s *session) replay(old recovery.Session, notes recovery.Notes, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), s.h.cfg.StartTimeout)
	defer cancel()
	defer close(s.revived)
	if err := s.tell(ctx, old, notes); err != nil {
		log.Warn("a session could not be gone on with", "error", err)
		s.fail(err)
		return
	}
	s.mu.Lock()
	s.notes = recovery.Notes{Version: s.version, LogLevel: notes.LogLevel, Resources: notes.Resources}
	s.keepNotes()
	buried := s.buried
	s.mu.Unlock()
	if buried {
		s.fail(errRefused)
		return
	}
	s.h.metrics.session("recovered")
	log.Info("session goes on with a new server process", "age", time.Since(old.Born).Round(time.Second).String())
}

// errRefused is in the chain of what ends a session for its client, who begins
// another: the server's own answer. All else may pass.
var errRefused = errors.New("the session cannot go on")

// fail ends a session that could not be gone on with.
func (s *session) fail(err error) {
	failure := busy(1, "the session could not be gone on with just now")
	if errors.Is(err, errRefused) {
		failure = unknownSession()
	}
	s.mu.Lock()
	s.failure = failure
	s.mu.Unlock()
	s.end(endUnrecovered)
}

// tell is the part of replay that may fail.
func (s *session) tell(ctx context.Context, old recovery.Session, notes recovery.Notes) error {
	m, err := s.ask(ctx, jsonrpc.MethodInitialize, old.Initialize)
	switch {
	case err != nil:
		return err
	case m.Failed && s.hasEnded():
		// The error is the bridge's own.
		return errLost
	case m.Failed:
		return fmt.Errorf("%w: the server refused initialize", errRefused)
	case notes.Version != "" && m.ProtocolVersion != notes.Version:
		return fmt.Errorf("%w: the server speaks another version of the protocol now", errRefused)
	}
	if err := s.child.Send(jsonrpc.Call(nil, "notifications/initialized", nil)); err != nil {
		return err
	}
	if notes.LogLevel != "" {
		if _, err := s.ask(ctx, "logging/setLevel", member("level", notes.LogLevel)); err != nil {
			return err
		}
	}
	for _, uri := range notes.Resources {
		if _, err := s.ask(ctx, "resources/subscribe", member("uri", uri)); err != nil {
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

// ownRequest is the id of requests of the bridge's own. No client's is like it.
const ownRequest jsonrpc.ID = "own"

// own reports whether a call is the bridge's own.
func (c *call) own() bool { return c.msg.ID == ownRequest }

// ask is a request of the bridge's own to the server of the session.
func (s *session) ask(ctx context.Context, method string, params []byte) (jsonrpc.Message, error) {
	line := jsonrpc.Call([]byte("0"), method, params)
	m, err := jsonrpc.Parse(line)
	if err != nil {
		return m, err
	}
	m.ID = ownRequest
	c, line, ref := s.begin(m, line, tracing.Span{})
	if ref != nil {
		return m, errors.New(ref.message)
	}
	rd := c.stream.attach(0, false)
	defer s.withdraw(c)
	defer c.stream.detach(rd)
	if err := s.child.Send(line); err != nil {
		return m, err
	}
	for {
		events, done := c.stream.unread(rd)
		if done && len(events) > 0 {
			return jsonrpc.ParseLenient(events[len(events)-1].data)
		}
		if done {
			return m, errLost
		}
		select {
		case <-rd.wake:
		case <-ctx.Done():
			return m, ctx.Err()
		}
	}
}

// note keeps what a request of the client, which the server has accepted, sets
// for the rest of the session. It says nothing of a session without recovery.
func (s *session) note(c *call) {
	if s.h.cfg.Recovery == nil || c.own() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.msg.Method {
	case jsonrpc.MethodInitialize:
		s.notes.Version = s.version
	case "logging/setLevel":
		s.notes.LogLevel = c.set
	case "resources/subscribe":
		if !slices.Contains(s.notes.Resources, c.set) {
			s.notes.Resources = append(s.notes.Resources, c.set)
		}
	case "resources/unsubscribe":
		s.notes.Resources = slices.DeleteFunc(s.notes.Resources, func(uri string) bool { return uri == c.set })
	default:
		return
	}
	s.keepNotes()
}

// setting is what a request sets for the rest of the session, or empty.
func setting(m jsonrpc.Message, line []byte) string {
	switch m.Method {
	case "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
	default:
		return ""
	}
	var params struct {
		Level string `json:"level"`
		URI   string `json:"uri"`
	}
	if m.At.Params == (jsonrpc.Span{}) || json.Unmarshal(m.At.Params.Of(line), &params) != nil {
		return ""
	}
	return params.Level + params.URI
}

// maxNamedID is the longest request id that the name of a stream holds.
const maxNamedID = 64

// streamName is the id of the stream that answers a request. It holds the
// request's id, so that a client which comes back for a stream that was lost
// with its process can be told which request is lost.
func (h *Handler) streamName(rawID []byte) string {
	name := h.streamID()
	if h.cfg.Recovery == nil || len(rawID) > maxNamedID {
		return name
	}
	return name + "." + base64.RawURLEncoding.EncodeToString(rawID)
}

// lostRequest is the answer for a client that comes back for a stream which was
// lost; nil where its name does not say for which request it was.
func lostRequest(stream string) []byte {
	_, encoded, ok := strings.Cut(stream, ".")
	if !ok {
		return nil
	}
	rawID, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(rawID) > maxNamedID {
		return nil
	}
	answer := jsonrpc.ErrorResponse(rawID, jsonrpc.CodeInternal, lostMessage)
	// The name comes from the client, and may be anything.
	if _, err := jsonrpc.Parse(answer); err != nil {
		return nil
	}
	return answer
}
