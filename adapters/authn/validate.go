package authn

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters/authn/jwks"
)

// minKeyRefresh keeps this gateway from being a burden to an issuer.
const minKeyRefresh = 10 * time.Second

// Validate returns everything that is wrong with c, each fault with the path
// of what is at fault.
func (c *Config) Validate() error {
	f := &faults{}
	if len(c.Issuers) == 0 && !c.APIKeys {
		f.add("issuers", "there are none, and no API keys: nobody could do anything")
	}
	taken := map[string]bool{}
	for i, issuer := range c.Issuers {
		path := fmt.Sprintf("issuers[%d].", i)
		f.issuer(path, issuer)
		for _, name := range issuer.accepted() {
			if taken[name] {
				f.add(path+"url", "it repeats an earlier issuer")
			}
			taken[name] = true
		}
	}
	f.discovery(c)
	return errors.Join(f.list...)
}

type faults struct{ list []error }

func (f *faults) add(path, message string) {
	f.list = append(f.list, fmt.Errorf("%s: %s", path, message))
}

func (f *faults) issuer(path string, i Issuer) {
	f.url(path, i)
	f.texts(path+"audiences", i.Audiences)
	if len(i.Audiences) == 0 {
		f.add(path+"audiences", "there must be one at least: a token that is meant for anybody proves nothing")
	}
	switch i.AdapterAudience {
	case "", AdapterAudienceAccepted, AdapterAudienceRequired, AdapterAudienceIgnored:
	default:
		f.add(path+"adapterAudience", "it must be accepted, required or ignored")
	}
	for n, algorithm := range i.Algorithms {
		if !slices.Contains(jwks.Algorithms(), algorithm) {
			f.add(fmt.Sprintf("%salgorithms[%d]", path, n), fmt.Sprintf("%q is none of %s", algorithm, strings.Join(jwks.Algorithms(), ", ")))
		}
	}
	f.claim(path+"subjectClaim", i.SubjectClaim, true)
	f.claim(path+"nameClaim", i.NameClaim, true)
	for n, claim := range i.RoleClaims {
		f.claim(fmt.Sprintf("%sroleClaims[%d]", path, n), claim, false)
	}
	f.texts(path+"roles", i.Roles)
	for _, claim := range slices.Sorted(maps.Keys(i.RequiredClaims)) {
		within := path + "requiredClaims." + claim
		f.claim(within, claim, false)
		f.texts(within, i.RequiredClaims[claim])
		if len(i.RequiredClaims[claim]) == 0 {
			f.add(within, "there must be one value at least")
		}
	}
	f.scopes(path+"requiredScopes", i.RequiredScopes)
	f.scopes(path+"advertisedScopes", i.AdvertisedScopes)
	if i.KeyRefresh != 0 && i.KeyRefresh < minKeyRefresh {
		f.add(path+"keyRefresh", "it must be 10s or more")
	}
	f.exchange(path+"tokenExchange.", i.TokenExchange)
	if _, err := jwks.NewClient(i.CAFile); err != nil {
		f.add(path+"caFile", err.Error())
	}
}

func (f *faults) exchange(path string, e *TokenExchange) {
	if e == nil {
		return
	}
	if e.ClientID == "" {
		f.add(path+"clientID", "it is required")
	}
	if e.ClientSecretFile == "" {
		f.add(path+"clientSecretFile", "it is required")
	}
	if e.TokenURL != "" {
		if err := jwks.CheckURL(e.TokenURL); err != nil {
			f.add(path+"tokenURL", err.Error())
		}
	}
}

func (f *faults) url(path string, i Issuer) {
	if err := jwks.CheckURL(i.URL); err != nil {
		f.add(path+"url", err.Error())
	} else if u, err := url.Parse(i.URL); err != nil || u.RawQuery != "" || strings.ContainsAny(i.URL, "| \"") {
		f.add(path+"url", "it must have no query, and hold no space, quote or bar")
	}
	if i.JWKSURL != "" {
		if err := jwks.CheckURL(i.JWKSURL); err != nil {
			f.add(path+"jwksURL", err.Error())
		}
	}
	if !i.Entra {
		return
	}
	if _, err := entraTenant(i.URL); err != nil {
		f.add(path+"url", err.Error())
	}
}

func (f *faults) claim(path, claim string, mayBeEmpty bool) {
	if claim == "" && mayBeEmpty {
		return
	}
	if _, err := parseClaimPath(claim); err != nil {
		f.add(path, err.Error())
	}
}

func (f *faults) texts(path string, list []string) {
	for n, text := range list {
		if text == "" || !printable(text) {
			f.add(fmt.Sprintf("%s[%d]", path, n), "it must be a text without control characters, and not empty")
		} else if slices.Contains(list[:n], text) {
			f.add(fmt.Sprintf("%s[%d]", path, n), "it repeats an earlier one")
		}
	}
}

// scopes says what is wrong with scopes by RFC 6749, section 3.3.
func (f *faults) scopes(path string, list []string) {
	f.texts(path, list)
	for n, scope := range list {
		within := fmt.Sprintf("%s[%d]", path, n)
		if strings.ContainsFunc(scope, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' }) {
			f.add(within, "a scope is printable ASCII without space, quote and backslash")
		}
		if scope == "offline_access" {
			f.add(within, "whether to stay logged in is for the client to ask, not for a resource")
		}
	}
}

func (f *faults) discovery(c *Config) {
	switch c.Discovery {
	case "", DiscoveryStandard:
		return
	case DiscoveryEntra:
	default:
		f.add("discovery", "it must be standard or entra")
		return
	}
	advertised := 0
	for _, issuer := range c.Issuers {
		if issuer.IsAdvertised() {
			advertised++
			if !issuer.Entra {
				advertised = len(c.Issuers) + 1
			}
		}
	}
	if advertised != 1 {
		f.add("discovery", "entra needs exactly one issuer that is advertised, and that one with entra: true")
	}
}
