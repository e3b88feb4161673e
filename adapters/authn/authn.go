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
	// ReasonMissing: there are no credentials.
	ReasonMissing Reason = "missing"
	// ReasonTooLarge: the token is longer than any honest one.
	ReasonTooLarge Reason = "too_large"
	// ReasonIssuer: the token is not from an issuer that is trusted.
	ReasonIssuer Reason = "issuer"
	// ReasonAlgorithm: the token is signed by an algorithm that is not allowed.
	ReasonAlgorithm Reason = "algorithm"
	// ReasonKey: the issuer has no such key, or no longer.
	ReasonKey Reason = "key"
	// ReasonSignature: the signature is not the key's.
	ReasonSignature Reason = "signature"
	// ReasonExpired: the token or API key was valid once.
	ReasonExpired Reason = "expired"
	// ReasonNotYetValid: the token will be valid later.
	ReasonNotYetValid Reason = "not_yet_valid"
	// ReasonAudience: the token is meant for somebody else.
	ReasonAudience Reason = "audience"
	// ReasonClaims: the token lacks a claim or value that the operator asks
	// for, or one has a form that it must not have.
	ReasonClaims Reason = "claims"
	// ReasonScope: the token is valid and lacks a scope.
	ReasonScope Reason = "scope"
	// ReasonAPIKey: the API key is unknown, revoked, or not accepted at all.
	ReasonAPIKey Reason = "api_key"
)

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
