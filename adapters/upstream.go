package adapters

import (
	"cmp"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
)

// The patterns of schema.json: those of RFC 9110 for a header's name and for a
// scheme.
const (
	patternHeader = `^[A-Za-z0-9!#$%&'*+.^_|~-]{1,128}$`
	patternScheme = `^[A-Za-z0-9!#$%&'*+.^_|~-]{1,64}$`

	patternAudience = `^[!-~]{1,512}$`
	patternResource = `^[A-Za-z][A-Za-z0-9+.-]*:[!"$-~]{1,480}$`
	patternScope    = `^[!#-\[\]-~]{1,128}$`
	maxScopes       = 32
)

var (
	headerRule = regexp.MustCompile(patternHeader)
	schemeRule = regexp.MustCompile(patternScheme)

	audienceRule = regexp.MustCompile(patternAudience)
	resourceRule = regexp.MustCompile(patternResource)
	scopeRule    = regexp.MustCompile(patternScope)
)

// UpstreamAuth says what reaches the server of who calls. The client's own
// token never does.
type UpstreamAuth struct {
	// Mode is what reaches it. Required.
	Mode UpstreamMode `json:"mode"`
	// Secret names the one of SecretEnvironmentVariables that a header gets. It,
	// Header and Scheme are for UpstreamStatic, which needs it.
	Secret string `json:"secret,omitempty"`
	// Header is the header. Empty means Authorization.
	Header string `json:"header,omitempty"`
	// Scheme stands before the secret in the header, with a space between: Bearer,
	// for example. Empty means that the secret is all of it.
	Scheme string `json:"scheme,omitempty"`
	// Audience, Resource (an absolute URI) and Scopes are what a token is asked
	// for (RFC 8693, section 2.1). They are for UpstreamExchange, which needs one
	// of the first two.
	Audience string   `json:"audience,omitempty"`
	Resource string   `json:"resource,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
}

// UpstreamMode is a kind of UpstreamAuth.
type UpstreamMode string

// The modes.
const (
	// UpstreamNone means that nothing does. It is what no UpstreamAuth means.
	UpstreamNone UpstreamMode = "none"
	// UpstreamIdentity means headers that name the caller, and a token signed by
	// the gateway that proves them.
	UpstreamIdentity UpstreamMode = "identity"
	// UpstreamStatic means a header with a secret of the adapter, the same for
	// all callers. The bridge adds it, so it is for servers behind MCP_PROXY_URL.
	UpstreamStatic UpstreamMode = "static"
	// UpstreamExchange means a bearer token that the issuer of the client's gives
	// for the server in its place (RFC 8693).
	UpstreamExchange UpstreamMode = "tokenExchange"
)

// The variables by which the bridge is told of it.
const (
	// variableForward says which of the gateway's headers a remote server gets.
	variableForward = "MCP_PROXY_FORWARD"
	// variableHeaders says which headers of the adapter it gets.
	variableHeaders = "MCP_PROXY_HEADERS"
)

// normalize is u in memory of its own, or nil where it says nothing.
func (u *UpstreamAuth) normalize() *UpstreamAuth {
	if u == nil || reflect.DeepEqual(*u, UpstreamAuth{Mode: UpstreamNone}) {
		return nil
	}
	out := *u
	out.Scopes = slices.Clone(u.Scopes)
	if len(out.Scopes) == 0 {
		out.Scopes = nil
	}
	return &out
}

// Is reports whether u, which may be nil, has the mode.
func (u *UpstreamAuth) Is(mode UpstreamMode) bool {
	if u == nil {
		return mode == UpstreamNone
	}
	return u.Mode == mode
}

// environment adds to env what the bridge must know of u.
func (u *UpstreamAuth) environment(env map[string]string) {
	if _, remote := env[variableProxyURL]; !remote {
		return
	}
	switch {
	case u.Is(UpstreamIdentity):
		env[variableForward] = string(UpstreamIdentity)
	case u.Is(UpstreamExchange):
		env[variableForward] = "authorization"
	case u.Is(UpstreamStatic):
		type source struct {
			Variable string `json:"variable"`
			Scheme   string `json:"scheme,omitempty"`
		}
		text, err := json.Marshal(map[string]source{cmp.Or(u.Header, "Authorization"): {u.Secret, u.Scheme}})
		if err != nil {
			panic("adapters: strings cannot fail to marshal: " + err.Error())
		}
		env[variableHeaders] = string(text)
	}
}

// upstreamAuth says what is wrong with the form of s.UpstreamAuth. Whether there
// is such a secret, and whether the header may be set, is judged elsewhere: see
// ServiceConfig.Check.
func (f *faultList) upstreamAuth(s Spec) {
	u := s.UpstreamAuth
	if u == nil {
		return
	}
	switch u.Mode {
	case UpstreamNone, UpstreamIdentity:
	case UpstreamStatic:
		f.staticAuth(s)
	case UpstreamExchange:
		f.exchange(u)
	default:
		f.add("/upstreamAuth/mode", "It must be none, identity, static or tokenExchange.")
	}
	for _, member := range []struct {
		name string
		set  bool
		mode UpstreamMode
	}{
		{"secret", u.Secret != "", UpstreamStatic}, {"header", u.Header != "", UpstreamStatic}, {"scheme", u.Scheme != "", UpstreamStatic},
		{"audience", u.Audience != "", UpstreamExchange}, {"resource", u.Resource != "", UpstreamExchange}, {"scopes", len(u.Scopes) > 0, UpstreamExchange},
	} {
		if member.set && u.Mode != member.mode {
			f.add(Pointer("upstreamAuth", member.name), "It is only for the mode "+string(member.mode)+".")
		}
	}
	if _, stdio := s.EnvironmentVariables[variableCommand]; stdio && s.ImageName == BridgeImage && u.Mode != UpstreamNone {
		f.add("/upstreamAuth", "A server that MCP_COMMAND runs sees no headers, so nothing can reach it.")
	}
}

func (f *faultList) staticAuth(s Spec) {
	u := s.UpstreamAuth
	if s.ImageName != BridgeImage {
		f.add("/upstreamAuth/mode", "It is only for the image "+BridgeImage+": other images are given their secrets as variables.")
	}
	f.text(u.Secret, variableRule, "/upstreamAuth/secret", "It must be the name of one of secretEnvironmentVariables.")
	f.length(u.Secret, maxVariable, "/upstreamAuth/secret")
	if u.Header != "" && !headerRule.MatchString(u.Header) {
		f.add("/upstreamAuth/header", "It must be the name of a header.")
	}
	if u.Scheme != "" && !schemeRule.MatchString(u.Scheme) {
		f.add("/upstreamAuth/scheme", "It must be one word, such as Bearer.")
	}
}

func (f *faultList) exchange(u *UpstreamAuth) {
	if u.Audience == "" && u.Resource == "" {
		f.add("/upstreamAuth", "It must say for whom a token is wanted: audience, or resource.")
	}
	if u.Audience != "" && !audienceRule.MatchString(u.Audience) {
		f.add("/upstreamAuth/audience", "It must be up to 512 characters of visible ASCII.")
	}
	if u.Resource != "" && !resourceRule.MatchString(u.Resource) {
		f.add("/upstreamAuth/resource", "It must be an absolute URI without fragment.")
	}
	if len(u.Scopes) > maxScopes {
		f.add("/upstreamAuth/scopes", "There are more than "+strconv.Itoa(maxScopes)+".")
	}
	for i, scope := range u.Scopes {
		if !scopeRule.MatchString(scope) || slices.Contains(u.Scopes[:i], scope) {
			f.add(Pointer("upstreamAuth", "scopes", strconv.Itoa(i)), "It must be a scope: visible ASCII without quote and backslash, and not there before.")
		}
	}
}
