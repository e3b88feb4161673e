package trail

import (
	"net/http"
	"strings"

	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/audit"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// maxText bounds a text that a client or a server chose, in bytes.
const maxText = 256

// isMessage reports whether the entry is of an MCP request that has ended. All
// other requests are the API's, which keeps its own audit.
func isMessage(entry *dataaccesslogv3.HTTPAccessLogEntry) bool {
	return adapterOf(entry) != "" && entry.GetCommonProperties().GetAccessLogType() == dataaccesslogv3.AccessLogType_DownstreamEnd
}

// adapterOf is the adapter whose MCP endpoint was asked: the one that it was
// judged for, else the one in the path, which Envoy changes once it is judged.
// Empty means that it was another path.
func adapterOf(entry *dataaccesslogv3.HTTPAccessLogEntry) string {
	if name := text(known(entry), contract.MetadataAdapter); name != "" {
		return name
	}
	path, _, _ := strings.Cut(entry.GetRequest().GetPath(), "?")
	name, found := strings.CutPrefix(path, "/adapters/")
	name, ends := strings.CutSuffix(name, "/mcp")
	if !found || !ends || !adapters.ValidName(name) {
		return ""
	}
	return name
}

// known is what the external processor, or Envoy in its place, knew of a request.
func known(entry *dataaccesslogv3.HTTPAccessLogEntry) *structpb.Struct {
	return entry.GetCommonProperties().GetMetadata().GetFilterMetadata()[contract.MetadataNamespace]
}

// eventOf tells what the entry tells. Nothing of it is a token, a session id or
// part of a body, and the query, where one could be, is left out.
func eventOf(entry *dataaccesslogv3.HTTPAccessLogEntry) audit.Event {
	common, request := entry.GetCommonProperties(), entry.GetRequest()
	known, name := known(entry), adapterOf(entry)
	e := audit.Event{
		RequestID: bounded(request.GetRequestId()),
		Principal: text(known, contract.MetadataWho),
		Source:    common.GetDownstreamRemoteAddress().GetSocketAddress().GetAddress(),
		Method:    request.GetRequestMethod().String(),
		Path:      "/adapters/" + name + "/mcp",
		Adapter:   name,
		RPCMethod: text(known, contract.MetadataMethod),
		Tool:      text(known, contract.MetadataTool),
		Session:   text(known, contract.MetadataSession),
		Status:    int(entry.GetResponse().GetResponseCode().GetValue()),
	}
	if start := common.GetStartTime(); start != nil {
		e.Time = start.AsTime().Add(common.GetDuration().AsDuration())
	}
	e.Verdict, e.Reason = verdict(text(known, contract.MetadataVerdict), e.Status, entry.GetResponse().GetResponseCodeDetails())
	return e
}

// verdict is what became of a request. Envoy refuses some by itself, before they
// are judged or after; details are its word for why.
func verdict(judged string, status int, details string) (verdict, reason string) {
	switch {
	case judged != "" && judged != contract.VerdictAllow:
		return audit.Denied, judged
	case status == 0 || status >= http.StatusInternalServerError:
		return audit.Failed, bounded(details)
	case judged == "":
		return audit.Denied, bounded(details)
	}
	return audit.Allowed, ""
}

func text(fields *structpb.Struct, name string) string {
	return bounded(fields.GetFields()[name].GetStringValue())
}

func bounded(text string) string {
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}
