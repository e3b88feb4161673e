package apikeys

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/logging"
)

// headerRequestID names a request in the logs of all parts.
const headerRequestID = "X-Request-Id"

// endpoint handles one method of one path. What it returns as an error becomes
// the answer; it must not have written then.
type endpoint func(w http.ResponseWriter, r *http.Request, p adapters.Principal) error

// serve serves a path by method: 401 and 403 come first, 405 next.
func (a *api) serve(methods map[string]endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		p, err := a.principal(r)
		if err == nil {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			if handle := methods[method]; handle != nil {
				err = handle(w, r, p)
			} else {
				err = notAllowed(methods)
			}
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

func notAllowed(methods map[string]endpoint) error {
	allowed := slices.Collect(maps.Keys(methods))
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	return &problem{
		status: http.StatusMethodNotAllowed, detail: "This path takes only " + allow + ".",
		header: http.Header{"Allow": {allow}},
	}
}

// problem is an answer other than success, as an error (RFC 9457).
type problem struct {
	status int
	// detail is a sentence for the client.
	detail string
	faults []faultDetail
	// header is added to the answer. Nil adds nothing.
	header http.Header
}

// faultDetail is one of the errors of a problem document.
type faultDetail struct {
	// Pointer is a JSON pointer into the body, as a URI fragment.
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error implements error.
func (p *problem) Error() string { return fmt.Sprintf("%d %s", p.status, p.detail) }

// problemOf is what a client is told of err. Clients see the errors that are
// named here.
func problemOf(err error) *problem {
	var known *problem
	var invalid *adapters.ValidationError
	var tooLarge *http.MaxBytesError
	var refusal interface {
		error
		Challenge() string
		Status() int
	}
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &refusal):
		p := &problem{status: refusal.Status(), detail: refusal.Error()}
		if challenge := refusal.Challenge(); challenge != "" {
			p.header = http.Header{"Www-Authenticate": {challenge}}
		}
		return p
	case errors.As(err, &invalid):
		p := &problem{status: http.StatusBadRequest, detail: "The API key is not valid."}
		for _, fault := range invalid.Faults {
			p.faults = append(p.faults, faultDetail{Pointer: "#" + fault.Pointer, Detail: fault.Message})
		}
		return p
	case errors.As(err, &tooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit)}
	case errors.Is(err, ErrNotFound):
		return &problem{status: http.StatusNotFound, detail: "There is no such API key."}
	case errors.Is(err, ErrFull):
		return &problem{status: http.StatusConflict, detail: "There are too many API keys: revoke some first."}
	}
	return nil
}

// fail answers with what err means to a client. What it does not mean anything
// to is for the log.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p == nil {
		a.Log.Error("api keys cannot be served", logging.RequestID, r.Header.Get(headerRequestID), "error", err)
		p = &problem{
			status: http.StatusServiceUnavailable, detail: "API keys cannot be managed at the moment.",
			header: http.Header{"Retry-After": {"5"}},
		}
	}
	maps.Copy(w.Header(), p.header)
	writeJSON(w, p.status, "application/problem+json", struct {
		Type      string        `json:"type"`
		Title     string        `json:"title"`
		Status    int           `json:"status"`
		Detail    string        `json:"detail"`
		RequestID string        `json:"requestId"`
		Errors    []faultDetail `json:"errors,omitempty"`
	}{"about:blank", http.StatusText(p.status), p.status, p.detail, r.Header.Get(headerRequestID), p.faults})
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
