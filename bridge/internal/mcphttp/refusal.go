package mcphttp

import (
	"net/http"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// refusal is an answer to a request that is not passed on.
type refusal struct {
	status  int
	code    int
	message string
	data    []byte // JSON, or nil
	header  [2]string
	// gone says that the session ended before its server got the message, which
	// may be sent again then.
	gone bool
	// unsent says that no server got the message, and that another replica, or
	// this one a moment later, may serve it: the gateway sends it again.
	unsent bool
}

// refuse is a refusal with the JSON-RPC code that fits the status.
func refuse(status int, message string) *refusal {
	code := jsonrpc.CodeInvalidRequest
	if status >= http.StatusInternalServerError {
		code = jsonrpc.CodeInternal
	}
	return &refusal{status: status, code: code, message: message}
}

func (f *refusal) with(header, value string) *refusal {
	f.header = [2]string{header, value}
	return f
}

// again marks a refusal as unsent.
func (f *refusal) again() *refusal {
	f.unsent = true
	return f
}

func (f *refusal) withCode(code int) *refusal {
	f.code = code
	return f
}

// busy is a 503 that says when to come again.
func busy(seconds int, message string) *refusal {
	return refuse(http.StatusServiceUnavailable, message).with("Retry-After", strconv.Itoa(seconds))
}

// unknownSession makes clients initialise again. It is the same for sessions
// that never were, that have ended, and that are another's.
func unknownSession() *refusal {
	return refuse(http.StatusNotFound, "the session does not exist or has ended")
}

// sessionGone is unknownSession for a message that no server got.
func sessionGone() *refusal {
	ref := unknownSession()
	ref.gone = true
	return ref
}

// write answers the request with the raw id (nil: null).
func (f *refusal) write(w http.ResponseWriter, rawID []byte) {
	if f.header[0] != "" {
		w.Header().Set(f.header[0], f.header[1])
	}
	if f.unsent {
		w.Header().Set(launch.HeaderUnsent, "1")
	}
	w.Header().Del(headerSession)
	writeJSON(w, f.status, jsonrpc.ErrorWithData(rawID, f.code, f.message, f.data))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	w.WriteHeader(status)
	// An error means that the client has gone, and there is nobody to tell.
	_, _ = w.Write(body)
}
