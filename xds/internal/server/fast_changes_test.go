package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// change makes something of an attempt other than it was.
type change struct {
	name string
	do   func(a *attempt)
}

// changes of each kind. One of a kind can be combined with any of another.
func changes() [][]change {
	headers := func(pairs ...string) func(a *attempt) {
		return func(a *attempt) {
			before := a.extra
			a.extra = func(b, s string) []string { return append(before(b, s), pairs...) }
		}
	}
	bearer := func(name string, value any) func(a *attempt) { return func(a *attempt) { a.bearer[name] = value } }
	member := func(name string, value any) func(a *attempt) { return func(a *attempt) { a.header[name] = value } }
	session := func(name string, value any) func(a *attempt) { return func(a *attempt) { a.session[name] = value } }
	now := time.Now().Unix()
	return [][]change{
		bearerChanges(bearer, now), headerChanges(member), sessionChanges(session, now), placements(headers), forms(headers),
	}
}

func bearerChanges(bearer func(string, any) func(*attempt), now int64) []change {
	text := func(replace ...string) func(a *attempt) {
		return func(a *attempt) {
			a.bearerText = func(payload string) string {
				return a.w.issuer.signText("k1", strings.NewReplacer(replace...).Replace(payload), a.header)
			}
		}
	}
	list := []change{
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
		{"expired", bearer("exp", now-3600)},
		{"within the leeway", bearer("exp", now-20)},
		{"beyond the leeway", bearer("exp", now-61)},
		{"never expires", bearer("exp", nil)},
		{"expiry a text", bearer("exp", fmt.Sprint(now+3600))},
		{"expiry beyond all", bearer("exp", 1e17)},
		{"expiry with a fraction", bearer("exp", float64(now)+3600.5)},
		{"not yet", bearer("nbf", now+3600)},
		{"not yet, within the leeway", bearer("nbf", now+20)},
		{"from the future", bearer("iat", now+3600)},
		{"from the near future", bearer("iat", now+20)},
		{"issued as a text", bearer("iat", "x")},
		{"no scope", bearer("scope", nil)},
		{"scope alone", bearer("scope", "mcp.use")},
		{"another scope", bearer("scope", "mcp.use2 xmcp.use mcp_use")},
		{"scopes as a list", func(a *attempt) { a.bearer["scope"], a.bearer["scp"] = nil, []string{"mcp.use"} }},
		{"scopes in a list", func(a *attempt) { a.bearer["scope"], a.bearer["scp"] = nil, []string{"x mcp.use y"} }},
		{"no required claim", bearer("org", nil)},
		{"another required claim", bearer("org", "theirs")},
		{"the required claim in a list", bearer("org", []string{"theirs", "ours"})},
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
	return list
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

func sessionChanges(session func(string, any) func(*attempt), now int64) []change {
	edit := func(f func(string) string) func(a *attempt) { return func(a *attempt) { a.edit = f } }
	list := []change{
		{"another's session", func(a *attempt) { a.owner = users()[0] }},
		{"an administrator's session", func(a *attempt) { a.owner = users()[2] }},
		{"session expired", session("exp", now-1)},
		{"session about to expire", session("exp", now+3600)},
		{"session of an adapter that was", session("at", func(binding string) string { return "uidgone" + binding[strings.Index(binding, "/"):] })},
		{"session of an adapter named alike", session("at", func(binding string) string { return "x" + binding })},
		{"session of another policy", session("at", func(binding string) string { return binding[:strings.Index(binding, "/")] + "/0000" })},
		{"session of no policy", session("at", func(binding string) string { return binding[:strings.Index(binding, "/")] })},
		{"session of two policies", session("at", func(binding string) string { return binding + "/0000" })},
		{"session of nothing", session("at", nil)},
		{"session of another issuer", session("uiss", "https://other.example")},
		{"session that needs another role", session("need", "other")},
		{"session that needs no role", session("need", "")},
		{"session edited", edit(func(id string) string {
			parts := strings.Split(id, ".")
			text, _ := base64.RawURLEncoding.DecodeString(parts[1])
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), "bob", "ann", 1)))
			return strings.Join(parts, ".")
		})},
		{"session's signature edited", edit(func(id string) string { return id[:len(id)-6] + "AAAAAA" })},
		{"session's signature's last bits", edit(lastBits)},
		{"session cut", edit(func(id string) string { return id[:len(id)/2] })},
		{"session with space", edit(func(id string) string { return id + " x" })},
		{"session with comma", edit(func(id string) string { return id + "," + id })},
		{"session padded", edit(func(id string) string { return id + "=" })},
		{"the server's session", edit(func(string) string { return "up-1" })},
		{"session unsigned", edit(func(id string) string {
			parts := strings.Split(id, ".")
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
		})},
	}
	return list
}

func placements(headers func(...string) func(*attempt)) []change {
	authorization := func(f func(b, s string) []string) func(*attempt) {
		return func(a *attempt) { a.authorization = f }
	}
	ids := func(f func(b, s string) []string) func(*attempt) { return func(a *attempt) { a.ids = f } }
	return []change{
		{"no bearer", authorization(func(string, string) []string { return nil })},
		{"an empty bearer", authorization(func(string, string) []string { return []string{"Bearer "} })},
		{"bearer twice", authorization(func(b, _ string) []string { return []string{"Bearer " + b, "Bearer " + b} })},
		{"bearer and nothing", authorization(func(b, _ string) []string { return []string{"Bearer " + b, ""} })},
		{"nothing and bearer", authorization(func(b, _ string) []string { return []string{"", "Bearer " + b} })},
		{"bearer and basic", authorization(func(b, _ string) []string { return []string{"Bearer " + b, "Basic YTpi"} })},
		{"bearer in small letters", authorization(func(b, _ string) []string { return []string{"bearer " + b} })},
		{"bearer without a word", authorization(func(b, _ string) []string { return []string{b} })},
		{"bearer with two spaces", authorization(func(b, _ string) []string { return []string{"Bearer  " + b} })},
		{"session as bearer", authorization(func(_, s string) []string { return []string{"Bearer " + s} })},
		{"bearer in the query", func(a *attempt) {
			a.authorization = func(string, string) []string { return nil }
			a.query = "access_token=BEARER&Mcp-Session-Id=SESSION"
		}},
		{"bearer in a cookie", func(a *attempt) {
			a.authorization = func(string, string) []string { return nil }
			a.extra = func(b, _ string) []string { return []string{"Cookie", "authorization=" + b + "; access_token=" + b} }
		}},
		{"bearer in another header", func(a *attempt) {
			a.authorization = func(string, string) []string { return nil }
			a.extra = func(b, _ string) []string {
				return []string{"Proxy-Authorization", "Bearer " + b, "X-Forwarded-Access-Token", b, "X-Api-Key", b}
			}
		}},
		{"no session", ids(func(string, string) []string { return nil })},
		{"an empty session", ids(func(string, string) []string { return []string{""} })},
		{"session twice", ids(func(_, s string) []string { return []string{s, s} })},
		{"session and another", ids(func(_, s string) []string { return []string{s, "x"} })},
		{"another and session", ids(func(_, s string) []string { return []string{"x", s} })},
		{"session and nothing", ids(func(_, s string) []string { return []string{s, ""} })},
		{"bearer as session", ids(func(b, _ string) []string { return []string{b} })},
		{"session in the query", func(a *attempt) {
			a.ids = func(string, string) []string { return nil }
			a.query = "mcp-session-id=SESSION"
		}},
		{"session in a cookie", func(a *attempt) {
			a.ids = func(string, string) []string { return nil }
			a.extra = func(_, s string) []string { return []string{"Cookie", "mcp-session-id=" + s} }
		}},
		{"a query", func(a *attempt) { a.query = "a=b" }},
		{"crafted headers", headers("X-Mooring-Endpoint", "Zm9yZ2Vk", "X-Mooring-Principal", "forged", "X-Mooring-Upstream-Session", "forged", "X-Mooring-Policy", "e30")},
		{"crafted headers of Envoy", headers("X-Envoy-Original-Path", "/x", "X-Envoy-Upstream-Rq-Timeout-Ms", "1", "X-Envoy-Retry-On", "5xx")},
		{"development headers", headers("X-Dev-UserId", "root", "X-Dev-Roles", "mcp.admin")},
	}
}

func forms(headers func(...string) func(*attempt)) []change {
	contentType := func(values ...string) func(*attempt) { return func(a *attempt) { a.contentType = values } }
	method := func(name string) func(*attempt) { return func(a *attempt) { a.method = name } }
	bare := func(name string) func(*attempt) { return func(a *attempt) { a.method, a.body = name, "" } }
	return []change{
		{"GET", bare("GET")}, {"DELETE", bare("DELETE")}, {"PUT", method("PUT")}, {"HEAD", bare("HEAD")}, {"OPTIONS", bare("OPTIONS")},
		{"PATCH", method("PATCH")}, {"TRACE", bare("TRACE")}, {"GET with a body", method("GET")}, {"DELETE with a body", method("DELETE")}, {"FOO", method("FOO")},
		{"no body", func(a *attempt) { a.body = "" }},
		{"a slash more", func(a *attempt) { a.path = "/" }},
		{"in chunks", func(a *attempt) { a.chunked = true }},
		{"a large body", func(a *attempt) {
			a.body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":"` + strings.Repeat("x", 64<<10) + `"}}}`
		}},
		{"too large a body", func(a *attempt) { a.body = `{"jsonrpc":"2.0","id":"` + strings.Repeat("x", 4<<20) + `"}` }},
		{"no type", contentType()}, {"another type", contentType("text/plain")}, {"a type twice", contentType("application/json", "application/json")},
		{"JSON in UTF-8", contentType("application/json; charset=utf-8")}, {"JSON in capitals", contentType("Application/JSON;charset=UTF-8")},
		{"JSON in Latin 1", contentType("application/json; charset=latin1")}, {"a broken type", contentType("application/json;")},
		{"a stream's type", contentType("text/event-stream")},
		{"compressed", headers("Content-Encoding", "gzip")}, {"not encoded", headers("Content-Encoding", "identity")},
		{"trailers", headers("Trailer", "x")},
		{"of a page", headers("Origin", "https://evil.example")}, {"of the gateway's page", headers("Origin", publicURL, "Referer", publicURL+"/x")},
		{"navigation", headers("Sec-Fetch-Mode", "navigate")}, {"a browser's", headers("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty")},
		{"a browser's own", headers("Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors")},
		{"a version", headers("Mcp-Protocol-Version", "2025-11-25")}, {"the first version", headers("Mcp-Protocol-Version", "2024-11-05")},
		{"a version twice", headers("Mcp-Protocol-Version", "2025-11-25", "Mcp-Protocol-Version", "2025-11-25")},
		{"an old version and a modern one", headers("Mcp-Protocol-Version", "2025-11-25", "Mcp-Protocol-Version", "2026-07-28")},
		{"no version and a modern one", headers("Mcp-Protocol-Version", "", "Mcp-Protocol-Version", "2026-07-28")},
		{"a modern version", headers("Mcp-Protocol-Version", "2026-07-28")},
		{"all that is modern", headers("Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list")},
		{"a version that is none", headers("Mcp-Protocol-Version", "newest")},
		{"a method", headers("Mcp-Method", "tools/list")}, {"a method twice", headers("Mcp-Method", "tools/list", "Mcp-Method", "ping")},
		{"a name twice", headers("Mcp-Name", "a", "Mcp-Name", "b")},
		{"what proxies add", headers("X-Forwarded-For", "10.0.0.1", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "Via", "1.1 x", "Forwarded", "for=1.1.1.1", "X-Real-Ip", "1.1.1.1", "True-Client-Ip", "1.1.1.1")},
		{"cookies", headers("Cookie", "a=b", "Cookie", "c=d")},
		{"ordinary headers", headers("Accept", "application/json, text/event-stream", "User-Agent", "x", "X-Custom", "a", "X-Custom", "b", "Accept-Encoding", "gzip", "Last-Event-Id", "7", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
		{"an upgrade", headers("Connection", "Upgrade", "Upgrade", "websocket")},
		{"an expectation", headers("TE", "trailers")},
	}
}
