package server_test

import (
	"encoding/base64"
	"slices"
	"strings"
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
	return [][]change{
		slices.Concat(claimChanges(bearer), tokenChanges(bearer)), headerChanges(member), sessionChanges(session), placements(headers), forms(headers),
	}
}

func sessionChanges(session func(string, any) func(*attempt)) []change {
	edit := func(f func(string) string) func(a *attempt) { return func(a *attempt) { a.edit = f } }
	list := []change{
		{"another's session", func(a *attempt) { a.owner = users()[0] }},
		{"an administrator's session", func(a *attempt) { a.owner = users()[2] }},
		{"session expired", session("exp", fromNow(-1))},
		{"session about to expire", session("exp", fromNow(3600))},
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
