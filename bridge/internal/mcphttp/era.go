package mcphttp

import (
	"net/http"
	"slices"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// firstModern is the first version of the modern era, which knows no sessions.
const firstModern = "2026-07-28"

// versionPriming is the first version whose clients understand an event without
// data, by which a stream can be resumed before its first message.
const versionPriming = "2025-11-25"

// legacyVersions are the versions that a client of the legacy era may name.
var legacyVersions = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}

// isModern reports whether a request belongs to the modern era: by the version
// in its header or in its _meta, never by its method. m is zero for a request
// without a message.
func isModern(r *http.Request, m jsonrpc.Message) bool {
	return m.MetaVersion != "" || isModernVersion(r.Header.Get(headerVersion))
}

// isModernVersion compares dates; names of drafts are not dates.
func isModernVersion(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= firstModern
}

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
