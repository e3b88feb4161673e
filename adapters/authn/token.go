package authn

import (
	"encoding/base64"
	"net/http"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/mooring-mcp/mooring/adapters/authn/jwks"
)

const (
	// maxToken bounds a bearer token, in bytes. Entra's with the most groups
	// have 8 KiB; Envoy takes no more than 60 KiB of headers in all.
	maxToken = 16 << 10
)

// credential is the one bearer credential of a request.
func credential(h http.Header) (string, *Refusal) {
	values := h["Authorization"]
	switch {
	case len(values) == 0:
		return "", &Refusal{Reason: ReasonMissing, Message: "Authentication is required.", Scheme: schemeBearer}
	case len(values) > 1:
		return "", invalidRequest(ReasonRepeated, "Authorization is sent more than once.")
	}
	scheme, token, found := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	switch {
	case !found || !strings.EqualFold(scheme, schemeBearer):
		return "", invalidRequest(ReasonMalformed, "Authorization must be of the scheme Bearer.")
	case len(token) > maxToken:
		return "", refuseToken(ReasonTooLarge, "The token is too long.")
	case token == "" || strings.Trim(token, tokenCharacters) != "":
		return "", invalidRequest(ReasonMalformed, "Authorization must hold one token.")
	}
	return token, nil
}

// tokenCharacters are those of b64token in RFC 6750.
const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

func invalidRequest(reason Reason, message string) *Refusal {
	return &Refusal{Reason: reason, Message: message, Scheme: schemeBearer, Code: CodeInvalidRequest}
}

// unverified is a JWT that was taken apart and not believed.
type unverified struct {
	text, algorithm, keyID string
	payload                []byte
	claims                 claims
}

// parseToken takes a compact JWS apart. It is stricter than the libraries,
// which take the last of two members of one name, and the wrong case: a token
// that two parsers read differently is a token that means two things.
func parseToken(text string) (unverified, *Refusal) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || parts[2] == "" {
		return unverified{}, malformed("The token is not a signed JWT.")
	}
	_, header, refusal := object(parts[0])
	if refusal != nil {
		return unverified{}, refusal
	}
	t := unverified{text: text}
	if t.algorithm, t.keyID, refusal = checkHeader(header); refusal != nil {
		return unverified{}, refusal
	}
	if t.payload, t.claims, refusal = object(parts[1]); refusal != nil {
		return unverified{}, refusal
	}
	return t, nil
}

// checkHeader takes from a header what chooses among the keys of the issuer.
// Where a header tells of keys itself it is not listened to (jku, x5u, x5c: some
// issuers send them), or refused where no honest access token has it (jwk). What
// must be understood (crit) is not.
func checkHeader(header claims) (algorithm, keyID string, refusal *Refusal) {
	for _, name := range []string{"crit", "jwk", "b64", "zip", "enc"} {
		if _, has := header[name]; has {
			return "", "", malformed("The token's header has the member " + name + ", which is not accepted.")
		}
	}
	algorithm, isText := header["alg"].(string)
	if !isText || algorithm == "" {
		return "", "", malformed("The token's header names no algorithm.")
	}
	if raw, has := header["kid"]; has {
		if keyID, isText = raw.(string); !isText || keyID == "" || len(keyID) > jwks.MaxKeyID {
			return "", "", malformed("The token's key id is not valid.")
		}
	}
	if raw, has := header["typ"]; has {
		kind, _ := raw.(string)
		switch strings.TrimPrefix(strings.ToLower(kind), "application/") {
		case "jwt", "at+jwt":
		default:
			return "", "", malformed("The token is of a type that is no access token.")
		}
	}
	return algorithm, keyID, nil
}

// object decodes one part of a JWT: canonical base64url of a JSON object with
// no name twice.
func object(part string) ([]byte, claims, *Refusal) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, nil, malformed("The token is not base64url.")
	}
	var members claims
	if err := jsonv2.Unmarshal(text, &members); err != nil || members == nil {
		return nil, nil, malformed("The token does not hold JSON objects in which each name is there once.")
	}
	return text, members, nil
}

func malformed(message string) *Refusal { return refuseToken(ReasonMalformed, message) }
