package decide

import (
	"net/http"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

// Names of header fields as they are set and removed, in lower case.
const (
	fieldSession   = "mcp-session-id"
	fieldEndpoint  = launch.HeaderEndpoint
	fieldPrincipal = launch.HeaderPrincipal
)

// stripped are the fields that no upstream sees: credentials, which are the
// gateway's and never passed on; what a browser says of the page, which the
// gateway has judged and an upstream would compare with a host that is not its
// own; and what tells of the network before the gateway.
var stripped = []string{
	"authorization", "cookie", "forwarded", "origin", "proxy-authorization", "referer", "true-client-ip", "via", "x-api-key",
	"x-real-ip",
}

// strippedPrefixes begin the names of further such fields.
var strippedPrefixes = []string{
	authn.HeaderDevPrefix, "sec-fetch-", "x-forwarded-", launch.InternalHeaderPrefix,
}

// kept are the fields that are set or removed for each request by name.
var kept = []string{fieldSession, fieldEndpoint, fieldPrincipal}

// strip names the fields of a request that no upstream sees, in order. What is
// set takes the place of what was sent.
func strip(header http.Header, set []Field) []string {
	var remove []string
	for name := range header {
		if !isStripped(name) {
			continue
		}
		name = strings.ToLower(name)
		if !slices.Contains(kept, name) && !slices.ContainsFunc(set, func(f Field) bool { return f.Name == name }) {
			remove = append(remove, name)
		}
	}
	slices.Sort(remove)
	return remove
}

// isStripped takes a name in any case: each request has a dozen of them, of
// which few are stripped.
func isStripped(name string) bool {
	for _, other := range stripped {
		if len(name) == len(other) && strings.EqualFold(name, other) {
			return true
		}
	}
	for _, prefix := range strippedPrefixes {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}
