package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
)

// The codes of JSON-RPC errors.
const (
	codeInvalidRequest = -32600
	codeInternal       = -32603
)

// isMCP reports whether errors at the path are told to an MCP client.
func isMCP(path string) bool {
	_, rest, found := strings.Cut(strings.TrimPrefix(path, "/adapters/"), "/")
	return found && strings.HasPrefix(path, "/adapters/") && (rest == "mcp" || strings.HasPrefix(rest, "mcp/"))
}

// mcpFallback answers what Envoy has no route for: adapters that do not exist,
// and those whose route is not there yet. It takes any method, since that is
// the route's to judge.
func (a *api) mcpFallback() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authenticator := a.Authenticator
		if name := r.PathValue("name"); adapters.ValidName(name) {
			authenticator = authn.ForAdapter(authenticator, name)
		}
		p, err := principal(r, authenticator)
		if err == nil {
			err = a.unrouted(r, p)
		}
		a.fail(w, r, err)
	})
}

// unrouted says why the request did not reach a server.
func (a *api) unrouted(r *http.Request, p adapters.Principal) error {
	found, err := a.readable(r, p)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(r.URL.Path, "/mcp") || r.PathValue("rest") != "" {
		return &problem{status: http.StatusNotFound, detail: "The endpoint of the adapter is /adapters/" + found.Name + "/mcp."}
	}
	retry, reason := "1", ""
	for _, c := range a.Service.Status(found).Conditions {
		if c.Type == adapters.ConditionReady && c.Status != adapters.StatusTrue {
			retry, reason = "5", " ("+c.Reason+")"
		}
	}
	return &problem{
		status: http.StatusServiceUnavailable,
		detail: fmt.Sprintf("The adapter is not ready to serve%s: see /adapters/%s/status.", reason, found.Name),
		header: http.Header{"Retry-After": {retry}},
	}
}

// inert are the headers of answers that Envoy's side gives for an adapter. With
// them, who is not known cannot tell an adapter that there is from one that there
// is not.
var inert = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; sandbox",
	"Cross-Origin-Resource-Policy": "same-origin",
}

// writeJSONRPC tells p to an MCP client, as Envoy's side would.
func writeJSONRPC(w http.ResponseWriter, p *problem, id jsontext.Value) {
	code := codeInvalidRequest
	if p.status >= http.StatusInternalServerError {
		code = codeInternal
	}
	type rpcError struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	// An id that was read as JSON, and texts, cannot fail to marshal.
	_ = encoder.Encode(struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   rpcError        `json:"error"`
	}{"2.0", json.RawMessage(id), rpcError{code, p.detail}})
	for name, value := range inert {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(p.status)
	_, _ = w.Write(bytes.TrimSpace(body.Bytes())) // whoever asked may have gone
}

// requestID is the id of the JSON-RPC request in the body of r, or null where
// there is none that could be read.
func requestID(r *http.Request, limit int64) jsontext.Value {
	null := jsontext.Value("null")
	if r.Method != http.MethodPost || !contentTypeIs(r.Header, []string{typeJSON}) {
		return null
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil || int64(len(body)) > limit || !jsontext.Value(body).IsValid() {
		return null
	}
	var message map[string]json.RawMessage
	if err := json.Unmarshal(body, &message); err != nil {
		return null
	}
	id := jsontext.Value(message["id"])
	if kind := id.Kind(); kind != '"' && kind != '0' {
		return null
	}
	return id
}
