package decide

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
	"github.com/mooring-mcp/mooring/extproc/internal/session"
)

// JSON-RPC error codes of refusals.
const (
	codeInvalidRequest = inspect.CodeInvalidRequest
	codeInternal       = -32603
	codeHeaderMismatch = -32020
)

// Refusal is the answer to a request that goes no further.
type Refusal struct {
	// Status is the HTTP status.
	Status int
	// Code and Message are the JSON-RPC error.
	Code    int
	Message string
	// ID is the id of the request, as it stood there. Nil means null.
	ID []byte
	// Header are header fields of the answer.
	Header []Field
	// Reason is one of few words, for metrics and the access log.
	Reason string
	// Cause is for the log alone. Nil where Reason says all.
	Cause error
	// Unauthenticated says that it was for want of a principal.
	Unauthenticated bool
}

// Body is the answer's body.
func (r *Refusal) Body() []byte {
	id := json.RawMessage("null")
	if r.ID != nil {
		id = r.ID
	}
	type rpcError struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   rpcError        `json:"error"`
	}{"2.0", id, rpcError{r.Code, r.Message}})
	if err != nil {
		// Only an id that is not JSON can fail, and there is none such.
		return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Internal error."}}`)
	}
	return body
}

func refusal(status, code int, reason, message string) *Refusal {
	return &Refusal{Status: status, Code: code, Reason: reason, Message: message}
}

func invalid(reason, message string) *Refusal {
	return refusal(http.StatusBadRequest, codeInvalidRequest, reason, message)
}

func mismatch(message string) *Refusal {
	return refusal(http.StatusBadRequest, codeHeaderMismatch, "header_mismatch", message)
}

func methodNotAllowed(allow string) *Refusal {
	r := refusal(http.StatusMethodNotAllowed, codeInvalidRequest, "method", "The method is not allowed here.")
	r.Header = []Field{{"allow", allow}}
	return r
}

func forbidden() *Refusal {
	return refusal(http.StatusForbidden, codeInvalidRequest, "forbidden", "You may not use this adapter.")
}

// unauthenticated is the refusal for what an Authenticator said. Its reason
// becomes that of the metric.
func unauthenticated(err error) *Refusal {
	cause := authn.AsRefusal(err)
	r := refusal(cause.Status(), codeInvalidRequest, string(cause.Reason), cause.Message)
	if r.Status == http.StatusServiceUnavailable {
		r.Code = codeInternal
		r.Header = []Field{{"retry-after", "1"}}
	}
	if challenge := cause.Challenge(); challenge != "" {
		r.Header = append(r.Header, Field{"www-authenticate", challenge})
	}
	r.Unauthenticated = true
	return r
}

// ErrPaused is what reading a body ends with whose next piece did not come.
var ErrPaused = errors.New("the body paused for too long")

// Answered is what reading a body ends with where Envoy answers the request by
// itself before it is judged: when it takes too long to arrive, or is broken.
type Answered struct {
	// Status is that of Envoy's answer.
	Status int
}

// Error implements error.
func (a Answered) Error() string {
	return "Envoy has answered " + strconv.Itoa(a.Status) + " by itself"
}

// refusal is the same answer: left alone, the judging would go on.
func (a Answered) refusal() *Refusal {
	messages := map[int]string{
		http.StatusBadRequest:            "The HTTP request is malformed.",
		http.StatusRequestTimeout:        "The request did not arrive in time.",
		http.StatusRequestEntityTooLarge: "The request is too large.",
	}
	if message, ok := messages[a.Status]; ok {
		return refusal(a.Status, codeInvalidRequest, "broken_off", message)
	}
	return Internal("broken_off")
}

// unread is the refusal for a body that could not be read.
func unread(err error) *Refusal {
	if errors.Is(err, ErrPaused) {
		return refusal(http.StatusRequestTimeout, codeInvalidRequest, "body_paused", "The request did not arrive in time.")
	}
	if answer := (Answered{}); errors.As(err, &answer) {
		return answer.refusal()
	}
	var fault *inspect.Fault
	if !errors.As(err, &fault) {
		return Internal("body_unread")
	}
	status := http.StatusBadRequest
	if fault.Reason == inspect.FaultTooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	r := refusal(status, fault.Code, fault.Reason, fault.Message)
	r.ID = fault.ID
	return r
}

// unknownSession is the one refusal for every id that is no session: what it
// was must not show.
func unknownSession(err error) *Refusal {
	reason := "session"
	var why session.Refused
	if errors.As(err, &why) {
		reason = string(why)
	}
	return refusal(http.StatusNotFound, codeInvalidRequest, reason, "The session is unknown or has ended: initialize again.")
}

// Internal is the refusal for what cannot be judged: the gateway fails closed.
func Internal(reason string) *Refusal {
	r := refusal(http.StatusServiceUnavailable, codeInternal, reason, "The gateway cannot judge this request.")
	r.Header = []Field{{"retry-after", "1"}}
	return r
}
