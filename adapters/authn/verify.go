package authn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn/jwks"
)

// issuer is a trusted issuer, ready to judge its tokens.
type issuer struct {
	Issuer
	keys       *jwks.Source
	algorithms []string
	audiences  []string
	subject    claimPath
	names      []claimPath
	roles      []claimPath
	required   []requiredClaim
	scopes     []string
	// endpoint is where tokens are exchanged, once that is known.
	endpoint atomic.Pointer[string]
}

// requiredClaim is one of Issuer.RequiredClaims.
type requiredClaim struct {
	path   claimPath
	values []string
}

// newIssuer prepares i, which is valid, to judge tokens with keys.
func newIssuer(i Issuer, keys *jwks.Source) (*issuer, error) {
	prepared := &issuer{
		Issuer: i, keys: keys,
		algorithms: i.Algorithms, audiences: i.acceptedAudiences(), scopes: i.advertisedScopes(),
	}
	if len(prepared.algorithms) == 0 {
		prepared.algorithms = jwks.Algorithms()
	}
	if prepared.AdapterAudience == "" {
		prepared.AdapterAudience = AdapterAudienceAccepted
	}
	var errs []error
	path := func(text string) claimPath {
		parsed, err := parseClaimPath(text)
		errs = append(errs, err)
		return parsed
	}
	prepared.subject = path(i.subjectPath())
	prepared.names = []claimPath{{"name"}, {"preferred_username"}}
	if i.NameClaim != "" {
		prepared.names = []claimPath{path(i.NameClaim)}
	}
	for _, claim := range i.RoleClaims {
		prepared.roles = append(prepared.roles, path(claim))
	}
	if len(i.RoleClaims) == 0 {
		prepared.roles = []claimPath{{"roles"}}
	}
	for _, claim := range slices.Sorted(maps.Keys(i.RequiredClaims)) {
		prepared.required = append(prepared.required, requiredClaim{path(claim), i.RequiredClaims[claim]})
	}
	return prepared, errors.Join(errs...)
}

// verified is what is known of a token whose signature is its issuer's. Times,
// audience, scopes and whether the key still counts are judged at each use.
type verified struct {
	issuer    *issuer
	key       string
	principal adapters.Principal
	audiences []string
	scopes    []string
	validity  validity
}

// verifier judges tokens by one Config. It is safe for use by several
// goroutines.
type verifier struct {
	issuers map[string]*issuer
	cache   cache
	now     func() time.Time
}

// verify is the principal of a token that is meant for r. Its error is a
// *Refusal, or says that the token could not be judged.
func (v *verifier) verify(ctx context.Context, text string, r Resource) (adapters.Principal, error) {
	digest := sha256.Sum256([]byte(text))
	known := v.cache.get(digest)
	if known != nil && !known.issuer.keys.Set().Has(known.key) {
		v.cache.drop(digest)
		known = nil
	}
	if known == nil {
		fresh, err := v.read(ctx, text)
		if err != nil {
			return adapters.Principal{}, err
		}
		known = fresh
		v.cache.put(digest, fresh)
	}
	if refusal := known.judge(r, v.now()); refusal != nil {
		if refusal.Reason == ReasonExpired {
			v.cache.drop(digest)
		}
		return adapters.Principal{}, refusal
	}
	p := known.principal
	p.Roles = slices.Clone(p.Roles)
	return p, nil
}

// judge says whether the token can be used now, and for r.
func (t *verified) judge(r Resource, now time.Time) *Refusal {
	if refusal := t.validity.check(now); refusal != nil {
		return refusal
	}
	if !t.issuer.meantFor(t.audiences, r) {
		return refuseToken(ReasonAudience, "The token is not meant for this resource.")
	}
	for _, scope := range t.issuer.RequiredScopes {
		if !slices.Contains(t.scopes, scope) {
			return insufficientScope(t.issuer.scopes)
		}
	}
	return nil
}

// insufficientScope is the refusal that names all the scopes that it takes.
func insufficientScope(scopes []string) *Refusal {
	return &Refusal{
		Reason: ReasonScope, Message: "The token lacks a scope.",
		Scheme: schemeBearer, Code: CodeInsufficientScope, Scopes: scopes,
	}
}

// meantFor reports whether one of audiences stands for r.
func (i *issuer) meantFor(audiences []string, r Resource) bool {
	own := i.AdapterAudience != AdapterAudienceIgnored && slices.Contains(audiences, r.URI)
	if r.Adapter != "" && i.AdapterAudience == AdapterAudienceRequired {
		return own
	}
	return own || slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(i.audiences, a) })
}

// read verifies the signature of a token and takes from it what its issuer's
// rules name.
func (v *verifier) read(ctx context.Context, text string) (*verified, error) {
	t, refusal := parseToken(text)
	if refusal != nil {
		return nil, refusal
	}
	name, _ := t.claims["iss"].(string)
	from := v.issuers[name]
	if from == nil {
		return nil, refuseToken(ReasonIssuer, "The token's issuer is not trusted.")
	}
	if !slices.Contains(from.algorithms, t.algorithm) {
		return nil, refuseToken(ReasonAlgorithm, "The token's signature algorithm is not allowed.")
	}
	// What has expired is refused before its issuer is bothered.
	times, refusal := t.claims.validity()
	if refusal == nil {
		refusal = times.check(v.now())
	}
	if refusal != nil {
		return nil, refusal
	}
	key, err := from.signedBy(ctx, t)
	if err != nil {
		return nil, err
	}
	principal, refusal := from.principal(t.claims)
	if refusal != nil {
		return nil, refusal
	}
	audiences, valid := t.claims.texts(claimPath{"aud"})
	if !valid {
		return nil, refuseToken(ReasonClaims, "The token's audience is not valid.")
	}
	return &verified{
		issuer: from, key: key, principal: principal,
		audiences: audiences, scopes: from.scopesOf(t.claims), validity: times,
	}, nil
}

// signedBy is the thumbprint of the key that made the token's signature.
func (i *issuer) signedBy(ctx context.Context, t unverified) (string, error) {
	keys, err := i.keys.Find(ctx, t.algorithm, t.keyID)
	if err != nil {
		return "", fmt.Errorf("verifying a token of %s: %w", i.URL, err)
	}
	if len(keys) == 0 {
		return "", refuseToken(ReasonKey, "The token is signed by a key that its issuer does not have.")
	}
	signed, err := jose.ParseSignedCompact(t.text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.algorithm)})
	if err != nil {
		return "", malformed("The token is not a signed JWT.")
	}
	for _, key := range keys {
		payload, err := signed.Verify(key.Public())
		if err == nil && bytes.Equal(payload, t.payload) {
			return key.Thumbprint, nil
		}
	}
	return "", refuseToken(ReasonSignature, "The token's signature is not valid.")
}

// principal is who the claims name, by the issuer's rules.
func (i *issuer) principal(c claims) (adapters.Principal, *Refusal) {
	for _, required := range i.required {
		values, _ := c.texts(required.path)
		if !slices.ContainsFunc(values, func(value string) bool { return slices.Contains(required.values, value) }) {
			return adapters.Principal{}, refuseToken(ReasonClaims, "The token lacks a claim that this gateway asks for.")
		}
	}
	subject, valid := c.text(i.subject)
	if !valid {
		if named, _ := c.at(i.subject); named != nil && named != "" {
			return adapters.Principal{}, refuseToken(ReasonClaims, "The token's subject is not a text, or is too long, or has control characters.")
		}
		return adapters.Principal{}, refuseToken(ReasonClaims, "The token names no subject.")
	}
	p := adapters.Principal{Issuer: i.URL, Subject: subject, Roles: slices.Clone(i.Roles)}
	for _, path := range i.names {
		if name, has := c.text(path); has {
			p.Name = name
			break
		}
	}
	for _, path := range i.roles {
		roles, valid := c.texts(path)
		if !valid {
			return adapters.Principal{}, refuseToken(ReasonClaims, "The token's roles are not a list of texts.")
		}
		for _, role := range roles {
			if role != "" && !slices.Contains(p.Roles, role) {
				p.Roles = append(p.Roles, role)
			}
		}
	}
	return p, nil
}
