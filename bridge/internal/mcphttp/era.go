package mcphttp

import (
	"net/http"
	"slices"

	"github.com/mooring-mcp/mooring/bridge/internal/about"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// versionPriming is the first version whose clients understand an event without
// data, by which a stream can be resumed before its first message.
const versionPriming = "2025-11-25"

// legacyVersions are the versions that a client of the legacy era may name.
var legacyVersions = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}

// isModern reports whether a request belongs to the modern era. m is zero for a
// request without a message.
func isModern(r *http.Request, m jsonrpc.Message) bool { return about.Modern(r, m) }

// checkVersion judges the header of a request in the legacy era. negotiated is
// the version that the session agreed on, or empty.
func checkVersion(r *http.Request, negotiated string) *refusal {
	values := r.Header.Values(headerVersion)
	if len(values) == 0 {
		return nil
	}
	if len(values) == 1 && (values[0] == negotiated || slices.Contains(legacyVersions, values[0])) {
		return nil
	}
	return refuse(http.StatusBadRequest, "the MCP-Protocol-Version is not supported")
}
