package contract

import (
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
)

// SessionIssuer is iss of session tokens.
const SessionIssuer = "mooring-session"

// Claims of session tokens that Envoy reads beside the external processor.
const (
	// ClaimBinding is a SessionBinding.
	ClaimBinding  = "at"
	ClaimEndpoint = "ep"
	ClaimUpstream = "up"
	ClaimSubject  = "usub"
	ClaimIssuer   = "uiss"
	// ClaimRole is the role that granted access, or empty where none was needed.
	ClaimRole = "need"
	// ClaimPrincipalHash and ClaimSessionHash stand for both in logs.
	ClaimPrincipalHash = "ph"
	ClaimSessionHash   = "sid"
	ClaimExpiry        = "exp"
)

// MetadataSessionToken is the key of FilterJWT's metadata that holds the claims
// of a session token that was verified.
const MetadataSessionToken = "session"

// SessionBinding says where a session was begun, and under which policy: in one
// text, so that Envoy compares one claim with one value of the route.
func SessionBinding(adapter adapters.UID, policyVersion string) string {
	return string(adapter) + bindingSeparator + policyVersion
}

// BoundTo reports whether a SessionBinding is that of a session of the adapter,
// under whatever policy.
func BoundTo(binding string, adapter adapters.UID) bool {
	version, ok := strings.CutPrefix(binding, string(adapter))
	return ok && adapter != "" && strings.HasPrefix(version, bindingSeparator) && strings.Count(version, bindingSeparator) == 1
}

// bindingSeparator is in no policy's version.
const bindingSeparator = "/"
