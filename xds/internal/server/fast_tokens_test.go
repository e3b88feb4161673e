package server_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// claimChanges are other claims of a bearer token.
func claimChanges(bearer func(string, any) func(*attempt)) []change {
	return []change{
		{"of the creator", func(a *attempt) { a.who = users()[0] }},
		{"of an administrator", func(a *attempt) { a.who = users()[2] }},
		{"of one without role", bearer("roles", []string{"x", "Reader", "reader "})},
		{"of an administrator now", bearer("roles", []string{"mcp.admin"})},
		{"no roles", bearer("roles", nil)},
		{"roles as a text", bearer("roles", ownRole)},
		{"roles elsewhere", func(a *attempt) {
			a.bearer["roles"], a.bearer["realm_access"] = nil, map[string]any{"roles": []string{ownRole}}
		}},
		{"roles elsewhere beside", bearer("realm_access", map[string]any{"roles": 7})},
		{"roles null", bearer("roles", json.RawMessage("null"))},
		{"roles a number", bearer("roles", 7)},
		{"roles an object", bearer("roles", map[string]any{ownRole: true})},
		{"another subject", bearer("sub", "bob2")},
		{"no subject", bearer("sub", nil)},
		{"subject a number", bearer("sub", 7)},
		{"another issuer", bearer("iss", "https://evil.example")},
		{"another audience", bearer("aud", "other")},
		{"audiences", bearer("aud", []string{"other", audience})},
		{"the adapter's audience", bearer("aud", publicURL+"/adapters/ADAPTER/mcp")},
		{"the adapter's audience among others", bearer("aud", []string{"x", publicURL + "/adapters/ADAPTER/mcp"})},
		{"another adapter's audience", bearer("aud", publicURL+"/adapters/other/mcp")},
		{"the gateway's URI", bearer("aud", publicURL)},
		{"no audience", bearer("aud", nil)},
		{"a broken audience", bearer("aud", []any{audience, 7})},
		{"expired", bearer("exp", fromNow(-3600))},
		{"within the leeway", bearer("exp", fromNow(-20))},
		{"beyond the leeway", bearer("exp", fromNow(-61))},
		{"never expires", bearer("exp", nil)},
		{"expiry a text", bearer("exp", "4102444800")},
		{"expiry beyond all", bearer("exp", 1e17)},
		{"expiry with a fraction", bearer("exp", 4102444800.5)},
		{"not yet", bearer("nbf", fromNow(3600))},
		{"not yet, within the leeway", bearer("nbf", fromNow(20))},
		{"from the future", bearer("iat", fromNow(3600))},
		{"from the near future", bearer("iat", fromNow(20))},
		{"issued as a text", bearer("iat", "x")},
		{"no scope", bearer("scope", nil)},
		{"scope alone", bearer("scope", "mcp.use")},
		{"another scope", bearer("scope", "mcp.use2 xmcp.use mcp_use")},
		{"scopes as a list", func(a *attempt) { a.bearer["scope"], a.bearer["scp"] = nil, []string{"mcp.use"} }},
		{"scopes in a list", func(a *attempt) { a.bearer["scope"], a.bearer["scp"] = nil, []string{"x mcp.use y"} }},
		{"no required claim", bearer("org", nil)},
		{"another required claim", bearer("org", "theirs")},
		{"the required claim in a list", bearer("org", []string{"theirs", "ours"})},
	}
}

// tokenChanges are other forms of it.
func tokenChanges(bearer func(string, any) func(*attempt)) []change {
	text := func(replace ...string) func(a *attempt) {
		return func(a *attempt) {
			a.bearerText = func(payload string) string {
				return a.w.issuer.signText("k1", strings.NewReplacer(replace...).Replace(payload), a.header)
			}
		}
	}
	return []change{
		{"a subject twice", text(`"sub":"bob"`, `"sub":"ann","sub":"bob"`)},
		{"an audience twice", text(`"aud":`, `"aud":"other","aud":`)},
		{"a claim twice", text(`"org":`, `"x":1,"x":2,"org":`)},
		{"a case variant", text(`"sub":"bob"`, `"SUB":"ann","sub":"bob"`)},
		{"not an object", text(`{`, `[{`, `}`, `}]`)},
		{"trailing text", func(a *attempt) {
			a.bearerText = func(p string) string { return a.w.issuer.signText("k1", p+" {}", a.header) }
		}},
		{"a byte order mark", func(a *attempt) {
			a.bearerText = func(p string) string { return a.w.issuer.signText("k1", "\uFEFF"+p, a.header) }
		}},
		{"bytes that are no text", text(`ours`, "ours\xff")},
		{"long", bearer("pad", strings.Repeat("x", 17<<10))},
		{"edited", func(a *attempt) {
			a.bearerText = func(p string) string {
				t := a.w.issuer.signText("k1", p, a.header)
				parts := strings.Split(t, ".")
				parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(p, "bob", "ann", 1)))
				return strings.Join(parts, ".")
			}
		}},
		{"signature cut", func(a *attempt) {
			a.bearerText = func(p string) string { return strings.TrimRight(a.w.issuer.signText("k1", p, a.header), "A")[:200] }
		}},
		{"no signature", func(a *attempt) {
			a.bearerText = func(p string) string {
				t := a.w.issuer.signText("k1", p, a.header)
				return t[:strings.LastIndex(t, ".")+1]
			}
		}},
		{"signature's last bits", func(a *attempt) {
			a.bearerText = func(p string) string { return lastBits(a.w.issuer.signText("k1", p, a.header)) }
		}},
		{"padded", func(a *attempt) {
			a.bearerText = func(p string) string { return a.w.issuer.signText("k1", p, a.header) + "==" }
		}},
		{"an API key", func(a *attempt) { a.bearerText = func(string) string { return "mk_" + strings.Repeat("a", 40) } }},
		{"garbage", func(a *attempt) { a.bearerText = func(string) string { return "a.b.c" } }},
	}
}

// lastBits changes the bits of a token's last character that mean nothing.
func lastBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[at^1])
}

func headerChanges(member func(string, any) func(*attempt)) []change {
	return []change{
		{"no key id", member("kid", nil)},
		{"an empty key id", member("kid", "")},
		{"an unknown key id", member("kid", "k9")},
		{"another's key id", member("kid", "k2")},
		{"a key id that is none", member("kid", 7)},
		{"a long key id", member("kid", strings.Repeat("k", 513))},
		{"signed by the other key", func(a *attempt) {
			a.bearerText = func(p string) string { return a.w.issuer.signText("k2", p, a.header) }
		}},
		{"the other key", func(a *attempt) {
			a.header["kid"] = "k2"
			a.bearerText = func(p string) string { return a.w.issuer.signText("k2", p, a.header) }
		}},
		{"no type", member("typ", nil)},
		{"the old type", member("typ", "JWT")},
		{"a type in capitals", member("typ", "AT+JWT")},
		{"another type", member("typ", "logout+jwt")},
		{"a key's digest", member("x5t", "abc")},
		{"a key's digest and no type", func(a *attempt) { a.header["x5t"] = "abc"; delete(a.header, "typ") }},
		{"no type at all", func(a *attempt) { delete(a.header, "typ") }},
		{"critical and no type", func(a *attempt) { a.header["crit"] = []string{"exp"}; delete(a.header, "typ") }},
		{"critical", member("crit", []string{"exp"})},
		{"a key inside", member("jwk", map[string]any{"kty": "EC"})},
		{"compressed", member("zip", "DEF")},
		{"no algorithm", member("alg", "none")},
		{"another algorithm", member("alg", "HS256")},
		{"yet another algorithm", member("alg", "RS256")},
		{"a header twice", func(a *attempt) {
			a.bearerText = func(p string) string {
				return a.w.issuer.signRaw("k1", `{"alg":"ES256","kid":"k1","kid":"k1"}`, p)
			}
		}},
	}
}
