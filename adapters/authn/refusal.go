package authn

import (
	"net/http"
	"strings"
)

// schemeBearer is the authentication scheme of RFC 6750.
const schemeBearer = "Bearer"

// Code is an error code of RFC 6750, section 3.1.
type Code string

// The codes.
const (
	// CodeInvalidRequest: the credentials were sent in a wrong way.
	CodeInvalidRequest Code = "invalid_request"
	// CodeInvalidToken: another token may be accepted.
	CodeInvalidToken Code = "invalid_token"
	// CodeInsufficientScope: a token with more scopes will be accepted.
	CodeInsufficientScope Code = "insufficient_scope"
)

// Refusal is the error for credentials that prove nothing, or not enough. Its
// text is fit for clients.
type Refusal struct {
	// Reason is why.
	Reason Reason
	// Message is a sentence for people that repeats no credential.
	Message string
	// Scheme is the authentication scheme of the challenge. Empty means that
	// there is no challenge.
	Scheme string
	// Code is the challenge's error. Empty means that a Bearer challenge has
	// none, since no credentials were sent.
	Code Code
	// ResourceMetadata is the URL of the RFC 9728 document of what was asked
	// for. Empty means that the challenge does not name one.
	ResourceMetadata string
	// Scopes are all the scopes that a client should ask for. None means that
	// the challenge does not name any.
	Scopes []string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// Status is the HTTP status that goes with the refusal: 401, 403 where a token
// lacks scopes, 503 where the credentials could not be judged.
func (r *Refusal) Status() int {
	switch {
	case r.Reason == ReasonUnavailable:
		return http.StatusServiceUnavailable
	case r.Code == CodeInsufficientScope:
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}

// Challenge is the value of the WWW-Authenticate header that goes with the
// refusal.
func (r *Refusal) Challenge() string {
	switch r.Scheme {
	case "":
		return ""
	case schemeBearer:
		return r.bearerChallenge()
	}
	return r.Scheme + ` realm="mooring", error="invalid_request", error_description=` + quoted(r.Message)
}

// bearerChallenge is the challenge of RFC 6750 and RFC 9728. What a client acts
// on comes first: some read no further than they must.
func (r *Refusal) bearerChallenge() string {
	var parameters []string
	add := func(name, value string) {
		if value != "" {
			parameters = append(parameters, name+"="+quoted(value))
		}
	}
	add("resource_metadata", r.ResourceMetadata)
	add("scope", strings.Join(r.Scopes, " "))
	if r.Code != "" {
		add("error", string(r.Code))
		add("error_description", r.Message)
	}
	if len(parameters) == 0 {
		return schemeBearer
	}
	return schemeBearer + " " + strings.Join(parameters, ", ")
}

// quoted is text as an HTTP quoted string, which holds printable ASCII alone.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c > '~':
			b.WriteByte('?')
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// refuseToken is the refusal of a bearer token.
func refuseToken(reason Reason, message string) *Refusal {
	return &Refusal{Reason: reason, Message: message, Scheme: schemeBearer, Code: CodeInvalidToken}
}
