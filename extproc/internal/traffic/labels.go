package traffic

import (
	"net/http"
	"strconv"
	"strings"

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
func methodLabel(verbUsed, method, verdict string) string {
	switch {
	case verbUsed != http.MethodPost:
		return verb(verbUsed)
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

// flagsOf are those of Envoy's short names of what went wrong that are labels.
func flagsOf(all string) []string {
	var flags []string
	for flag := range strings.SplitSeq(all, ",") {
		switch flag {
		case "UH", "UF", "UO", "UC", "UR", "UPE", "UT", "UMSDR", "DT", "SI", "LR", "NR", "NC", "UAEX", "OM", "DC", "DR", "DPE":
			flags = append(flags, flag)
		}
	}
	return flags
}
