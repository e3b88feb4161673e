package trail

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/audit"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

// maxText bounds a text that a client or a server chose, in bytes.
const maxText = 256

// eventOf tells what the entry tells. It is false where the entry is not of a
// request to an MCP endpoint that has ended: other requests are the API's, which
// keeps its own audit. Nothing of it is a token, a session id or part of a body,
// and the query, where one could be, is left out.
func eventOf(entry *accesslog.Entry) (audit.Event, bool) {
	known, is := accesslog.KnownOf(entry)
	if !is || entry.Open {
		return audit.Event{}, false
	}
	e := audit.Event{
		RequestID: bounded(entry.ID),
		Principal: bounded(known.Who),
		Source:    entry.Source,
		Method:    entry.Method,
		Adapter:   cmp.Or(known.Adapter, named(entry.Path)),
		RPCMethod: bounded(known.Method),
		Tool:      bounded(known.Tool),
		Session:   bounded(known.Session),
		Status:    int(entry.Status),
	}
	if e.Path, _, _ = strings.Cut(bounded(entry.Path), "?"); e.Adapter != "" {
		// Envoy changes the path of what goes on.
		e.Path = "/adapters/" + e.Adapter + "/mcp"
	}
	if !entry.Start.IsZero() {
		e.Time = entry.Start.Add(entry.Took)
	}
	e.Verdict, e.Reason = verdict(known, e.Status, entry.Details)
	return e, true
}

// named is the adapter that the path names, if it can be one.
func named(path string) string {
	path, _, _ = strings.Cut(path, "?")
	name := strings.TrimSuffix(strings.TrimPrefix(path, "/adapters/"), "/mcp")
	if !adapters.ValidName(name) {
		return ""
	}
	return name
}

// verdict is what became of a request. Envoy refuses some by itself, before they
// are judged or after; details are its word for why.
func verdict(known accesslog.Known, status int, details string) (verdict, reason string) {
	allowed := known.Passed || known.Verdict == contract.VerdictAllow
	switch {
	case known.Verdict != "" && !allowed:
		return audit.Denied, known.Verdict
	case status == 0 || status >= http.StatusInternalServerError:
		return audit.Failed, bounded(details)
	case !allowed:
		return audit.Denied, bounded(details)
	}
	return audit.Allowed, ""
}

func bounded(text string) string {
	if len(text) > maxText {
		return strings.Clone(strings.ToValidUTF8(text[:maxText], ""))
	}
	return text
}
