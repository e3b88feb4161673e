package traffic

import (
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Values of labels beside those that the protocol names.
const (
	// labelOther is every value that is not on a list.
	labelOther = "other"
	// labelUnseen is the method of a POST whose body was not read.
	labelUnseen = "unseen"
	// labelResponse is the method of a POST that answers a request of the server.
	labelResponse = "response"
	labelUnknown  = "unknown"
)

// methodLabel is the method of a request: that of its message where it is one
// of the specification's, else the HTTP method where there can be no message.
func methodLabel(http corev3.RequestMethod, method, verdict string) string {
	switch {
	case http != corev3.RequestMethod_POST:
		return verb(http)
	case isMethod(method):
		return method
	case method != "":
		return labelOther
	case verdict == contract.VerdictAllow:
		return labelResponse
	}
	return labelUnseen
}

// isMethod reports whether the specification, of either era, has the method for
// clients.
func isMethod(method string) bool {
	switch method {
	case "initialize", "ping", "completion/complete", "logging/setLevel",
		"prompts/get", "prompts/list",
		"resources/list", "resources/read", "resources/subscribe", "resources/templates/list", "resources/unsubscribe",
		"server/discover", "subscriptions/listen",
		"tasks/cancel", "tasks/get", "tasks/list", "tasks/result", "tasks/update",
		"tools/call", "tools/list",
		"notifications/cancelled", "notifications/initialized", "notifications/progress",
		"notifications/roots/list_changed", "notifications/tasks/status":
		return true
	}
	return false
}

// codeLabel is the status of an answer; 0 means that there was none, as where
// the client left.
func codeLabel(code uint32) string {
	switch code {
	case 0, 200, 202, 204, 206, 301, 302, 304, 307, 308,
		400, 401, 403, 404, 405, 406, 408, 409, 410, 413, 415, 421, 422, 426, 429, 431, 499,
		500, 501, 502, 503, 504, 508:
		return strconv.FormatUint(uint64(code), 10)
	}
	return labelOther
}

func eraLabel(era string) string {
	if era == "legacy" || era == "modern" {
		return era
	}
	return labelUnknown
}

// flagsOf are Envoy's short names of what went wrong.
func flagsOf(f *dataaccesslogv3.ResponseFlags) []string {
	if f == nil {
		return nil
	}
	var flags []string
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{f.NoHealthyUpstream, "UH"}, {f.UpstreamConnectionFailure, "UF"}, {f.UpstreamOverflow, "UO"},
		{f.UpstreamConnectionTermination, "UC"}, {f.UpstreamRemoteReset, "UR"}, {f.UpstreamProtocolError, "UPE"},
		{f.UpstreamRequestTimeout, "UT"}, {f.UpstreamMaxStreamDurationReached, "UMSDR"}, {f.DurationTimeout, "DT"},
		{f.StreamIdleTimeout, "SI"}, {f.LocalReset, "LR"}, {f.NoRouteFound, "NR"}, {f.NoClusterFound, "NC"},
		{f.UnauthorizedDetails != nil, "UAEX"}, {f.OverloadManager, "OM"},
		{f.DownstreamConnectionTermination, "DC"}, {f.DownstreamRemoteReset, "DR"}, {f.DownstreamProtocolError, "DPE"},
	} {
		if flag.set {
			flags = append(flags, flag.name)
		}
	}
	return flags
}
