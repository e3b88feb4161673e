// Package launch holds the rules for what an adapter may start and reach: the
// argument splitter, the rules for environment variables, the guard for remote
// URLs, and the names of the internal headers. The API and the bridge share
// it, so that what was judged at POST is what runs. It decides nothing about
// who may ask.
package launch

// InternalHeaderPrefix begins every header that the gateway speaks with itself.
// Envoy removes such headers from requests at the edge, and from responses.
const InternalHeaderPrefix = "x-mooring-"

// The internal headers.
const (
	// HeaderEndpoint carries the endpoint that a request is pinned to, as
	// Envoy's stateful_session filter reads and writes it: base64 of the
	// address.
	HeaderEndpoint = "x-mooring-endpoint"
	// HeaderPrincipal carries adapters.Principal.Hash to the bridge, which
	// keeps users apart by it.
	HeaderPrincipal = "x-mooring-principal"
	// HeaderUnsent is in an answer of the bridge when no server got the request,
	// which another replica, or this one a moment later, may serve: Envoy sends
	// it again then.
	HeaderUnsent = "x-mooring-unsent"
	// HeaderAdapter is the name of the adapter that a request is for, where it may
	// have to be held because none of its replicas serves.
	HeaderAdapter = "x-mooring-adapter"
)

// The headers that name the caller to servers of adapters that ask for it.
const (
	// HeaderUser is the Principal.ID.
	HeaderUser = "x-mooring-user"
	// HeaderName is the name for people.
	HeaderName = "x-mooring-name"
	// HeaderRoles are the roles, with a comma between each two.
	HeaderRoles = "x-mooring-roles"
	// HeaderIdentity is the token that proves the others.
	HeaderIdentity = "x-mooring-identity"
)

// HeaderAuthorization carries what becomes the Authorization of a request once
// the client's own is gone.
const HeaderAuthorization = "x-mooring-authorization"

// IdentityHeaders are the names of all headers that name the caller.
func IdentityHeaders() []string {
	return []string{HeaderUser, HeaderName, HeaderRoles, HeaderIdentity}
}
