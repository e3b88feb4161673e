// Package identity makes what tells a server who calls: a token (JWS, ES256)
// that the server can verify with the gateway's public keys, and the headers
// that say the same in plain words. It decides nothing about who may know.
package identity

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/extproc/internal/recent"
)

const (
	// Lifetime is how long a token is valid.
	Lifetime = 5 * time.Minute
	// fresh is how long it is handed out: whoever gets it has a minute at least.
	fresh = Lifetime - time.Minute
	// maxTokens bounds how many tokens are kept, of about 1 KB each.
	maxTokens = 8 << 10
)

// Ring signs. *keys.Ring is one.
type Ring interface {
	Sign(payload []byte) (string, error)
	// SigningKeyID is the id of the key that signs now.
	SigningKeyID() string
}

// Config is what a Signer works with.
type Config struct {
	// Ring signs, and is used for nothing else. Required.
	Ring Ring
	// Issuer is the gateway's public URL, the token's iss. Required.
	Issuer string
	// Resource is the URI of the adapter of that name, the token's aud.
	// Required.
	Resource func(adapter string) string
	// Now is the clock. Required.
	Now func() time.Time
}

// Signer makes tokens, and hands out the same to the same caller as long as it
// is fresh. It is safe for use by several goroutines.
type Signer struct {
	cfg   Config
	known *recent.Cache[string, token]
}

// token is a token and what it must be made anew after.
type token struct {
	text, key string
	made      time.Time
}

// New is a Signer.
func New(cfg Config) *Signer {
	return &Signer{cfg: cfg, known: recent.New[string, token](maxTokens)}
}

// claims are what a token says. Times are in seconds since 1970.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Name     string   `json:"name,omitempty"`
	Roles    []string `json:"roles"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
}

// Token is a token that tells the adapter of that name who p is.
func (s *Signer) Token(adapter string, p adapters.Principal) (string, error) {
	now, signing := s.cfg.Now(), s.cfg.Ring.SigningKeyID()
	about := claims{
		Issuer: s.cfg.Issuer, Audience: s.cfg.Resource(adapter),
		Subject: p.ID(), Name: p.Name, Roles: append([]string{}, p.Roles...),
	}
	// All that it says but the times: a role that is gone makes another.
	key, err := json.Marshal(about)
	if err != nil {
		return "", fmt.Errorf("encoding an identity: %w", err)
	}
	if t, found := s.known.Get(string(key)); found && t.key == signing && !now.Before(t.made) && now.Sub(t.made) < fresh {
		return t.text, nil
	}
	about.IssuedAt, about.Expires = now.Unix(), now.Add(Lifetime).Unix()
	payload, err := json.Marshal(about)
	if err != nil {
		return "", fmt.Errorf("encoding an identity: %w", err)
	}
	text, err := s.cfg.Ring.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing an identity: %w", err)
	}
	s.known.Put(string(key), token{text: text, key: signing, made: now})
	return text, nil
}

// Roles are roles as a header has them: a comma between each two.
func Roles(roles []string) string {
	escaped := make([]string, 0, len(roles))
	for _, role := range roles {
		escaped = append(escaped, Text(role))
	}
	return strings.Join(escaped, ",")
}

// Text is text as a header has it: what is not visible ASCII, and the percent
// sign and comma, are percent-encoded UTF-8 (RFC 3986).
func Text(text string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(text) {
		c := text[i]
		if c > ' ' && c <= '~' && c != '%' && c != ',' {
			out.WriteByte(c)
			continue
		}
		out.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return out.String()
}
