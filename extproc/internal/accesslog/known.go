package accesslog

import (
	"strings"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Known is what was known of a request to an adapter's endpoint. What was not
// found out is empty.
type Known struct {
	// Adapter is the name of the adapter whose route was taken.
	Adapter string
	// Method and Tool are the message's, as the client wrote them.
	Method, Tool string
	// Listed is contract.ListedYes or contract.ListedNo, or empty where it is not
	// known whether the server has the tool.
	Listed string
	// Era is legacy or modern.
	Era string
	// Session and Principal are hashes, and Who is the Principal.ID.
	Session, Principal, Who string
	// Verdict is contract.VerdictAllow or why the request was refused.
	Verdict string
	// Trace is the id of the trace that the message names, where that is not its
	// request's.
	Trace string
	// Passed says that Envoy let the request pass by itself.
	Passed bool
}

// KnownOf reads an entry. It is false where the request was for no adapter's
// endpoint. One that Envoy could not read to its path may have been.
func KnownOf(entry *Entry) (Known, bool) {
	adapter, route, found := strings.Cut(entry.Route, "/")
	if !found {
		return Known{}, isEndpoint(entry.Path)
	}
	judged := entry.Judged
	if route == string(contract.RouteFast) && judged.Verdict == "" && entry.Upstream != "" {
		// It went on to a server, and nobody judged it.
		return passedWith(adapter, entry.Token), true
	}
	return Known{
		Adapter: adapter, Method: judged.Method, Tool: judged.Tool, Listed: judged.Listed, Era: judged.Era,
		Session: judged.Session, Principal: judged.Principal, Who: judged.Who, Verdict: judged.Verdict, Trace: judged.Trace,
	}, true
}

// passedWith is what is known by the session's token, which Envoy has verified.
func passedWith(adapter string, token Token) Known {
	who := token.Subject
	if token.Issuer != "" {
		who = token.Issuer + "|" + who
	}
	return Known{Adapter: adapter, Era: "legacy", Session: token.Session, Principal: token.Principal, Who: who, Passed: true}
}

// isEndpoint reports whether path is that of an adapter's endpoint, or none at
// all.
func isEndpoint(path string) bool {
	if path, _, _ = strings.Cut(path, "?"); path == "" {
		return true
	}
	name, found := strings.CutPrefix(path, "/adapters/")
	name, ends := strings.CutSuffix(name, "/mcp")
	return found && ends && !strings.Contains(name, "/")
}
