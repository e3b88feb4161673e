package mcphttp

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

const (
	headerSession     = "Mcp-Session-Id"
	headerVersion     = "Mcp-Protocol-Version"
	headerLastEventID = "Last-Event-Id"

	typeJSON = "application/json"
	typeSSE  = "text/event-stream"

	// bodyTimeout is how long a client may take to send a message.
	bodyTimeout = 60 * time.Second
)

// checkHost keeps web pages from reaching a bridge on their reader's own
// machine, by DNS rebinding or otherwise: what arrives on a loopback address
// must have been meant for it, and come from it. Behind a gateway, which checks
// this itself, the address is none.
func checkHost(r *http.Request) *refusal {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return nil
	}
	if !isLoopback(r.Host) {
		return refuse(http.StatusForbidden, "the Host header names another host")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !isLoopback(u.Host) {
			return refuse(http.StatusForbidden, "the Origin is not allowed")
		}
	}
	return nil
}

func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// checkAccept reports whether the client takes all of the types.
func checkAccept(r *http.Request, types ...string) *refusal {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return nil
	}
	var accepted []string
	for _, part := range strings.Split(strings.Join(values, ","), ",") {
		if t, _, err := mime.ParseMediaType(part); err == nil {
			accepted = append(accepted, t)
		}
	}
	for _, t := range types {
		group, _, _ := strings.Cut(t, "/")
		if !slices.Contains(accepted, t) && !slices.Contains(accepted, group+"/*") && !slices.Contains(accepted, "*/*") {
			return refuse(http.StatusNotAcceptable, "the Accept header must list "+strings.Join(types, " and "))
		}
	}
	return nil
}

func checkContentType(r *http.Request) *refusal {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != typeJSON {
		return refuse(http.StatusUnsupportedMediaType, "the Content-Type must be "+typeJSON)
	}
	return nil
}

// readBody reads the whole message.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	tooLarge := refuse(http.StatusRequestEntityTooLarge, "the message is too large")
	if r.ContentLength > h.cfg.MaxBody {
		return nil, tooLarge.with("Connection", "close")
	}
	rc := http.NewResponseController(w)
	// Not every ResponseWriter has deadlines; a server's own does. The deadline
	// must be gone before the answer is streamed, for it would end that too.
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	var tooLong *http.MaxBytesError
	var timeout net.Error
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &tooLong):
		return nil, tooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, refuse(http.StatusRequestTimeout, "the message did not arrive in time")
	}
	return nil, refuse(http.StatusBadRequest, "the message could not be read")
}

// sessionID is the session id of the request.
func sessionID(r *http.Request) (string, *refusal) {
	ids := r.Header.Values(headerSession)
	switch {
	case len(ids) == 0 || len(ids) == 1 && ids[0] == "":
		return "", refuse(http.StatusBadRequest, "the Mcp-Session-Id header is missing: begin with initialize")
	case len(ids) > 1:
		return "", refuse(http.StatusBadRequest, "there is more than one Mcp-Session-Id header")
	}
	return ids[0], nil
}

// find returns the session that the request names, which it goes on with where
// that is possible.
func (h *Handler) find(r *http.Request) (*session, *refusal) {
	id, ref := sessionID(r)
	if ref != nil {
		return nil, ref
	}
	principal := r.Header.Get(launch.HeaderPrincipal)
	s := h.held(id)
	if s == nil {
		if s, ref = h.revive(r, id, principal); ref != nil {
			return nil, ref
		}
	}
	// The gateway binds sessions to their users by itself; where it names them,
	// this is a second lock on the same door.
	if s.principal != principal {
		return nil, unknownSession()
	}
	if ref := s.await(r.Context()); ref != nil {
		return nil, ref
	}
	if ref := checkVersion(r, s.protocolVersion()); ref != nil {
		return nil, ref
	}
	return s, nil
}
