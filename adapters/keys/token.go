package keys

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// The one form that tokens have.
const (
	algorithm = jose.ES256
	tokenType = "JWT"
	// maxToken bounds what Verify parses. A session token has about 800 bytes.
	maxToken = 8 << 10
)

// ErrToken is the error for a token that this ring did not sign. It does not
// say why: callers must not tell apart what clients must not.
var ErrToken = errors.New("not a token of this ring")

// Sign signs payload with the newest key: a JWS in compact form, ES256, with
// the key's id as kid.
func (r *Ring) Sign(payload []byte) (string, error) {
	jws, err := r.current.Load().signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing token: %w", err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("serialising token: %w", err)
	}
	return token, nil
}

// Verify returns the payload of a token that a key of the ring signed, and
// that key's id. ErrToken for anything else; it does not look at expiry.
func (r *Ring) Verify(token string) (payload []byte, keyID string, err error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return nil, "", ErrToken
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{algorithm})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, "", ErrToken
	}
	head := jws.Signatures[0].Protected
	if typ, _ := head.ExtraHeaders[jose.HeaderType].(string); typ != tokenType || head.JSONWebKey != nil {
		return nil, "", ErrToken
	}
	key := r.current.Load().public[head.KeyID]
	if key == nil {
		return nil, "", ErrToken
	}
	payload, err = jws.Verify(key)
	if err != nil {
		return nil, "", ErrToken
	}
	return payload, head.KeyID, nil
}
