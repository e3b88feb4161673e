package contract

// SessionIssuer is iss and aud of session tokens.
const SessionIssuer = "mooring-session"

// Claims of session tokens that Envoy reads beside the external processor.
const (
	ClaimAdapter       = "ad"
	ClaimPolicyVersion = "pv"
	ClaimEndpoint      = "ep"
	ClaimUpstream      = "up"
	ClaimSubject       = "usub"
	ClaimIssuer        = "uiss"
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
