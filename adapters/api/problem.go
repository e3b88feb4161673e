package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/adapters"
)

// maxFaults is how many faults one answer names.
const maxFaults = 100

// problem is an answer other than success, as an error: RFC 9457, or a JSON-RPC
// error on the paths of MCP.
type problem struct {
	status int
	// detail is a sentence for the client.
	detail string
	faults []faultDetail
	// header is added to the answer. Nil adds nothing.
	header http.Header
	// cause is for the log alone. Nil where detail says all.
	cause error
}

// faultDetail is one of the errors of a problem document.
type faultDetail struct {
	// Pointer is a JSON pointer into the body, as a URI fragment.
	Pointer string `json:"pointer,omitempty"`
	// Parameter is the query parameter that is at fault instead.
	Parameter string `json:"parameter,omitempty"`
	Detail    string `json:"detail"`
}

// Error implements error.
func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%d %s: %v", p.status, p.detail, p.cause)
	}
	return fmt.Sprintf("%d %s", p.status, p.detail)
}

// problemOf is what a client is told of err. Clients see the errors that are
// named here; all others are for the log.
func problemOf(err error) *problem {
	var known *problem
	var invalid *adapters.ValidationError
	var unreadable *adapters.UnreadableError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &invalid):
		return faulty(invalid.Faults)
	case errors.As(err, &tooLarge):
		return bodyTooLarge(tooLarge.Limit)
	case errors.As(err, &unreadable):
		return &problem{
			status: http.StatusInternalServerError, cause: err,
			detail: "The record of the adapter cannot be read: " + unreadable.Reason + ". An administrator can delete it.",
		}
	case errors.Is(err, adapters.ErrNotFound):
		return &problem{status: http.StatusNotFound, detail: "There is no such adapter."}
	case errors.Is(err, adapters.ErrKeyReused):
		return &problem{status: http.StatusUnprocessableEntity, detail: "The Idempotency-Key was used for another adapter of this name."}
	case errors.Is(err, adapters.ErrExists):
		return &problem{status: http.StatusConflict, detail: "There is an adapter of this name already."}
	case errors.Is(err, adapters.ErrStale):
		return &problem{status: http.StatusConflict, detail: "Others keep changing the adapter; try again."}
	case errors.Is(err, adapters.ErrUnsupported):
		return &problem{status: http.StatusUnprocessableEntity, detail: sentence(err.Error())}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &problem{status: http.StatusServiceUnavailable, detail: "The request was given up.", cause: err}
	}
	return &problem{status: http.StatusInternalServerError, detail: "internal error", cause: err}
}

// faulty is the 400 that names every fault.
func faulty(faults []adapters.Fault) *problem {
	p := &problem{status: http.StatusBadRequest, detail: "The adapter is not valid."}
	if len(faults) > maxFaults {
		p.detail = fmt.Sprintf("The adapter is not valid; these are the first %d of %d faults.", maxFaults, len(faults))
		faults = faults[:maxFaults]
	}
	for _, fault := range faults {
		p.faults = append(p.faults, faultDetail{Pointer: fragment(fault.Pointer), Detail: fault.Message})
	}
	return p
}

// badParameter is the 400 for a query parameter.
func badParameter(name, detail string) *problem {
	return &problem{
		status: http.StatusBadRequest,
		detail: "A query parameter is not valid.",
		faults: []faultDetail{{Parameter: name, Detail: detail}},
	}
}

// fragment is a JSON pointer as a URI fragment (RFC 6901, section 6), which is
// how RFC 9457 writes it.
func fragment(pointer string) string {
	segments := strings.Split(pointer, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return "#" + strings.Join(segments, "/")
}

// sentence is text that begins and ends like one.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(text[size:], ".") + "."
}

// fail answers with what err means to a client, and leaves the rest of it for
// the log. Where the answer has begun already it is cut off.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	call := callOf(r)
	call.err = err
	if call.status != 0 {
		panic(http.ErrAbortHandler)
	}
	p := problemOf(err)
	maps.Copy(w.Header(), p.header)
	if call.jsonRPC {
		id := jsontext.Value("null")
		if p.status != http.StatusUnauthorized {
			id = requestID(r, a.MaxBodyBytes)
		}
		// Where there is an adapter, Envoy's side refuses who is unknown before
		// the body: here the answer must be the same.
		writeJSONRPC(w, p, id)
		return
	}
	document := struct {
		Type      string        `json:"type"`
		Title     string        `json:"title"`
		Status    int           `json:"status"`
		Detail    string        `json:"detail"`
		RequestID string        `json:"requestId"`
		Errors    []faultDetail `json:"errors,omitempty"`
	}{"about:blank", http.StatusText(p.status), p.status, p.detail, call.id, p.faults}
	writeJSON(w, p.status, "application/problem+json", document)
}

// writeJSON writes value as the answer. What a client can no longer be sent is
// lost: there is nobody to tell.
func writeJSON(w http.ResponseWriter, status int, contentType string, value any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
}
