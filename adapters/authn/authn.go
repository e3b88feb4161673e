// Package authn turns the credentials of a request into an adapters.Principal,
// or into a typed refusal. It knows no policy: what a principal may do is
// decided elsewhere.
package authn

import (
	"context"
	"errors"
	"net/http"

	"github.com/mooring-mcp/mooring/adapters"
)

// Authenticator finds out who sent a request. It is safe for use by several
// goroutines.
type Authenticator interface {
	// Authenticate returns the principal that the credentials in h prove. Its
	// error is a *Refusal where the credentials are at fault, and any other
	// error where they could not be judged.
	Authenticate(ctx context.Context, h http.Header) (adapters.Principal, error)
}

// Reason says in one word why credentials were refused. There are few of them,
// so that a metric may carry them as a label.
type Reason string

// The reasons.
const (
	// ReasonRepeated: a header that carries a credential was sent twice.
	ReasonRepeated Reason = "repeated"
	// ReasonMalformed: a credential has a form that it must not have.
	ReasonMalformed Reason = "malformed"
	// ReasonUnavailable: the credentials could not be judged. AsRefusal gives
	// it to errors that are no Refusal.
	ReasonUnavailable Reason = "unavailable"
)

// Refusal is the error for credentials that prove nothing. Its text is fit for
// clients.
type Refusal struct {
	// Reason is why.
	Reason Reason
	// Message is a sentence for people that repeats no credential.
	Message string
	// Scheme is the authentication scheme of the challenge. Empty means that
	// there is no challenge.
	Scheme string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// Challenge is the value of the WWW-Authenticate header that goes with the
// refusal.
func (r *Refusal) Challenge() string {
	if r.Scheme == "" {
		return ""
	}
	return r.Scheme + ` realm="mooring", error="invalid_request", error_description="` + r.Message + `"`
}

// AsRefusal is the Refusal in err's chain. An error without one, which says
// that an Authenticator could not do its work, becomes a refusal that tells the
// client nothing more than that.
func AsRefusal(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return &Refusal{Reason: ReasonUnavailable, Message: "The credentials cannot be checked at the moment."}
}
