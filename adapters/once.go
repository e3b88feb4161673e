package adapters

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrKeyReused is what CreateOnce answers when the key was used for another
// adapter of the name.
var ErrKeyReused = errors.New("the key stands for another request")

// CreateOnce is Create for a client that may send its request again, not
// knowing whether the first arrived. Where principal has created the adapter
// with the same key before, and asked for the same, it returns that adapter as
// it is now, and again true. ErrKeyReused, or the errors of Create.
//
// The key is kept with the adapter, and so for as long as that lives: nothing
// has to expire, and a restart forgets nothing.
func (s *Service) CreateOnce(ctx context.Context, spec Spec, principal Principal, key string) (created Adapter, again bool, err error) {
	spec, err = s.accept(spec)
	if err != nil {
		return Adapter{}, false, err
	}
	origin, err := originOf(spec, principal, key)
	if err != nil {
		return Adapter{}, false, err
	}
	created, err = s.create(ctx, spec, principal, origin)
	if !errors.Is(err, ErrExists) {
		return created, false, err
	}
	current, getErr := s.Get(ctx, spec.Name)
	if getErr != nil {
		// It was deleted in the meantime, or cannot be read.
		return Adapter{}, false, err
	}
	request, _, _ := strings.Cut(origin, originSeparator)
	before, _, _ := strings.Cut(current.Origin, originSeparator)
	switch {
	case subtle.ConstantTimeCompare([]byte(current.Origin), []byte(origin)) == 1:
		return current, true, nil
	case before == request:
		return Adapter{}, false, fmt.Errorf("creating adapter %q: %w", spec.Name, ErrKeyReused)
	}
	return Adapter{}, false, err
}

const originSeparator = ":"

// originOf is the Adapter.Origin of a request: digests of whose key it has, and
// of what it asks for. The latter is keyed by the former's text, which is kept
// nowhere: secrets cannot be guessed by it.
func originOf(spec Spec, principal Principal, key string) (string, error) {
	text, err := json.Marshal(struct {
		Spec    Spec
		Secrets map[string]string
	}{spec, spec.Secrets()})
	if err != nil {
		return "", fmt.Errorf("creating adapter %q: %w", spec.Name, err)
	}
	by := []byte(principal.ID() + "\x00" + key)
	whose, what := sha256.Sum256(by), hmac.New(sha256.New, by)
	what.Write(text)
	return hex.EncodeToString(whose[:]) + originSeparator + hex.EncodeToString(what.Sum(nil)), nil
}
