package accesslog

import (
	"strings"

	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/types/known/structpb"

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
func KnownOf(entry *dataaccesslogv3.HTTPAccessLogEntry) (Known, bool) {
	common := entry.GetCommonProperties()
	adapter, _, found := strings.Cut(common.GetRouteName(), "/")
	if !found {
		return Known{}, isEndpoint(entry.GetRequest().GetPath())
	}
	metadata := common.GetMetadata().GetFilterMetadata()
	fields := metadata[contract.MetadataNamespace].GetFields()
	field := func(name string) string { return fields[name].GetStringValue() }
	if passed(common, field(contract.MetadataVerdict)) {
		token := metadata[contract.FilterJWT].GetFields()[contract.MetadataSessionToken].GetStructValue()
		return passedWith(adapter, token.GetFields()), true
	}
	return Known{
		Adapter: adapter, Method: field(contract.MetadataMethod), Tool: field(contract.MetadataTool),
		Listed: field(contract.MetadataListed), Era: field(contract.MetadataEra), Session: field(contract.MetadataSession),
		Principal: field(contract.MetadataPrincipal), Who: field(contract.MetadataWho), Verdict: field(contract.MetadataVerdict),
		Trace: field(contract.MetadataTrace),
	}, true
}

// passed reports whether Envoy let the request pass by itself: it went on to a
// server, and nobody judged it.
func passed(common *dataaccesslogv3.AccessLogCommon, verdict string) bool {
	return strings.HasSuffix(common.GetRouteName(), "/"+string(contract.RouteFast)) &&
		verdict == "" && common.GetUpstreamRemoteAddress() != nil
}

// passedWith is what is known by the claims of a session's token, which Envoy
// has verified.
func passedWith(adapter string, claims map[string]*structpb.Value) Known {
	claim := func(name string) string { return claims[name].GetStringValue() }
	who := claim(contract.ClaimSubject)
	if issuer := claim(contract.ClaimIssuer); issuer != "" {
		who = issuer + "|" + who
	}
	return Known{
		Adapter: adapter, Era: "legacy", Session: claim(contract.ClaimSessionHash),
		Principal: claim(contract.ClaimPrincipalHash), Who: who, Passed: true,
	}
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
