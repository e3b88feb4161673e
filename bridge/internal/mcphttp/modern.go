package mcphttp

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/about"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

const (
	headerMethod      = "Mcp-Method"
	headerName        = "Mcp-Name"
	headerParamPrefix = "Mcp-Param-"
)

// modernParams are the params of a request of the modern era, as far as they
// are looked at.
type modernParams struct {
	Meta struct {
		Version      string         `json:"io.modelcontextprotocol/protocolVersion"`
		Capabilities jsontext.Value `json:"io.modelcontextprotocol/clientCapabilities"`
	} `json:"_meta"`
	Name      *string        `json:"name"`
	URI       *string        `json:"uri"`
	TaskID    *string        `json:"taskId"`
	Arguments jsontext.Value `json:"arguments"`
}

// noLongerThere are the methods of the legacy era that the modern one took away.
// A server of both eras might still answer them.
var noLongerThere = []string{
	"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe",
}

// modern serves one message of the modern era.
func (h *Handler) modern(w http.ResponseWriter, r *http.Request, m jsonrpc.Message, line []byte) *refusal {
	if !h.cfg.ServesModern() {
		return refuseModern(r)
	}
	if m.Kind == jsonrpc.Response {
		return refuse(http.StatusBadRequest, "servers ask nothing by request in this version of the protocol")
	}
	if m.Kind == jsonrpc.Notification {
		// The protocol defines none over HTTP, and whom one would be about cannot
		// be said: a request is cancelled by closing its connection.
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	var params modernParams
	if m.At.Params != (jsonrpc.Span{}) {
		if err := json.Unmarshal(m.At.Params.Of(line), &params); err != nil {
			return refuse(http.StatusBadRequest, "the params are not what this version of the protocol defines").withCode(jsonrpc.CodeInvalidParams)
		}
	}
	if ref := checkModern(r, m, params); ref != nil {
		return ref
	}
	wk, ref := h.worker(r, m, params.Meta.Capabilities)
	if ref != nil {
		return ref
	}
	defer wk.leave()
	if m.Method == jsonrpc.MethodToolsCall && params.Name != nil {
		if ref := wk.checkArguments(r, *params.Name, params.Arguments); ref != nil {
			return ref
		}
	}
	return wk.serve(w, r, m, line)
}

// checkModern holds the headers of a request against its body. A gateway does
// the same; a bridge alone has to.
func checkModern(r *http.Request, m jsonrpc.Message, p modernParams) *refusal {
	version := r.Header.Values(headerVersion)
	switch {
	case len(version) != 1:
		return mismatch("there must be one MCP-Protocol-Version header")
	case p.Meta.Version == "":
		return refuse(http.StatusBadRequest, "params._meta must name the protocol version").withCode(jsonrpc.CodeInvalidParams)
	case version[0] != p.Meta.Version:
		return mismatch("the MCP-Protocol-Version header is not the version in params._meta")
	case !about.ModernVersion(version[0]):
		return unsupportedVersion(version[0])
	case p.Meta.Capabilities.Kind() != '{':
		return refuse(http.StatusBadRequest, "params._meta must hold the client's capabilities").withCode(jsonrpc.CodeInvalidParams)
	case slices.Contains(noLongerThere, m.Method):
		return refuse(http.StatusNotFound, "this version of the protocol has no method "+m.Method).withCode(jsonrpc.CodeNoMethod)
	}
	if got := r.Header.Values(headerMethod); len(got) != 1 || strings.TrimSpace(got[0]) != m.Method {
		return mismatch("the Mcp-Method header must be the request's method")
	}
	want, needed := nameFor(m.Method, p)
	if !needed {
		return nil
	}
	got := r.Header.Values(headerName)
	if len(got) != 1 || want == nil {
		return mismatch("the Mcp-Name header must say what the request is for")
	}
	if value, ok := decodeHeader(got[0]); !ok || value != *want {
		return mismatch("the Mcp-Name header is not what the request is for")
	}
	return nil
}

// nameFor is what Mcp-Name must be, and whether it must be there.
func nameFor(method string, p modernParams) (want *string, needed bool) {
	switch method {
	case jsonrpc.MethodToolsCall, "prompts/get":
		return p.Name, true
	case "resources/read":
		return p.URI, true
	case "tasks/get", "tasks/update", "tasks/cancel":
		return p.TaskID, true
	}
	return nil, false
}

func mismatch(message string) *refusal {
	return refuse(http.StatusBadRequest, message).withCode(jsonrpc.CodeHeaderMismatch)
}

func unsupportedVersion(requested string) *refusal {
	ref := refuse(http.StatusBadRequest, "the protocol version is not supported").withCode(jsonrpc.CodeUnsupportedVersion)
	quoted, _ := jsontext.AppendQuote(nil, requested)
	ref.data = fmt.Appendf(nil, `{"supported":[%q],"requested":%s}`, about.FirstModern, quoted)
	return ref
}

// decodeHeader is the value of a header that may be in the form that is for what
// no header can hold: =?base64?…?=.
func decodeHeader(value string) (string, bool) {
	value = strings.TrimSpace(value)
	const prefix, suffix = "=?base64?", "?="
	if len(value) < len(prefix)+len(suffix) || !strings.EqualFold(value[:len(prefix)], prefix) || !strings.HasSuffix(value, suffix) {
		return value, true
	}
	text, err := base64.StdEncoding.DecodeString(value[len(prefix) : len(value)-len(suffix)])
	return string(text), err == nil
}

// statusOf is the HTTP status for an answer that comes as JSON.
func statusOf(m jsonrpc.Message) int {
	switch m.ErrorCode {
	case jsonrpc.CodeNoMethod:
		return http.StatusNotFound
	case jsonrpc.CodeInvalidParams, jsonrpc.CodeHeaderMismatch, jsonrpc.CodeMissingCapability, jsonrpc.CodeUnsupportedVersion:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// refuseModern answers a request of the modern era so that clients of both eras
// fall back to initialize.
//
// Such clients first POST server/discover with modern headers. The protocol
// tells them to stay modern when the answer is a 400 with one of the modern
// error codes (-32020 to -32022), and to fall back on any other 400. The Go SDK
// (1.8.0, mcp/client.go, connect) and the Python SDK (2.3.0, client/_probe.py)
// fall back on every JSON-RPC error but -32022 with a modern version in
// data.supported; the Go SDK takes 429 and 5xx for a passing trouble, whatever
// the body. So the answer is 400 with a code that legacy servers use; both, and
// the TypeScript SDK (2.4.0, versionNegotiation auto), were seen to fall back on
// it. GET and DELETE do not exist in the modern era.
func refuseModern(r *http.Request) *refusal {
	if r.Method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, "only POST is allowed in this version of the protocol").with("Allow", "POST")
	}
	return refuse(http.StatusBadRequest, "this server speaks MCP 2025-11-25 and older: begin with initialize")
}
