package mcphttp

import "net/http"

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
