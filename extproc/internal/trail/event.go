package trail

import (
	"cmp"
	"net/http"
	"strings"

	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

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
func eventOf(entry *dataaccesslogv3.HTTPAccessLogEntry) (audit.Event, bool) {
	known, is := accesslog.KnownOf(entry)
	common, request := entry.GetCommonProperties(), entry.GetRequest()
	if !is || common.GetAccessLogType() == dataaccesslogv3.AccessLogType_DownstreamPeriodic {
		return audit.Event{}, false
	}
	e := audit.Event{
		RequestID: bounded(request.GetRequestId()),
		Principal: bounded(known.Who),
		Source:    common.GetDownstreamRemoteAddress().GetSocketAddress().GetAddress(),
		Method:    request.GetRequestMethod().String(),
		Adapter:   cmp.Or(known.Adapter, named(request.GetPath())),
		RPCMethod: bounded(known.Method),
		Tool:      bounded(known.Tool),
		Session:   bounded(known.Session),
		Status:    int(entry.GetResponse().GetResponseCode().GetValue()),
	}
	if e.Path, _, _ = strings.Cut(bounded(request.GetPath()), "?"); e.Adapter != "" {
		// Envoy changes the path of what goes on.
		e.Path = "/adapters/" + e.Adapter + "/mcp"
	}
	if start := common.GetStartTime(); start != nil {
		e.Time = start.AsTime().Add(common.GetDuration().AsDuration())
	}
	e.Verdict, e.Reason = verdict(known, e.Status, entry.GetResponse().GetResponseCodeDetails())
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
		return strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}
