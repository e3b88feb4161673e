package mcphttp

import "net/http"

// refuseModern answers a request of the modern era so that clients of both eras
// fall back to initialize.
//
// Such clients first POST server/discover with modern headers. The protocol
// tells them to stay modern when the answer is a 400 with one of the modern
// error codes (-32020 to -32022), and to fall back on any other 400; the Go SDK
// (1.8.0, mcp/client.go, connect) falls back on every error, except -32022 with
// a modern version in data.supported, and needs a body that is a JSON-RPC error
// or a status outside 429 and 5xx, or it takes the connection for broken. So the
// answer is 400 with a code that legacy servers use. GET and DELETE do not exist
// in the modern era.
func refuseModern(r *http.Request) *refusal {
	if r.Method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, "only POST is allowed in this version of the protocol").with("Allow", "POST")
	}
	return refuse(http.StatusBadRequest, "this server speaks MCP 2025-11-25 and older: begin with initialize")
}
