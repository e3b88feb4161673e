package decide

import (
	"slices"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/extproc/internal/identity"
)

// Identities makes tokens that tell adapters who calls. *identity.Signer is one.
type Identities interface {
	Token(adapter string, p adapters.Principal) (string, error)
}

// upstream finds what the server is to know of who sent r.
func (j *Judge) upstream(r *Request) *Refusal {
	if !r.policy.Upstream.Is(adapters.UpstreamIdentity) {
		return nil
	}
	if j.Identities == nil {
		return Internal("identity_unsigned")
	}
	token, err := j.Identities.Token(r.policy.Adapter, r.principal)
	if err != nil {
		return Internal("identity_unsigned")
	}
	r.upstream = []Field{
		{launch.HeaderUser, identity.Text(r.principal.ID())},
		{launch.HeaderName, identity.Text(r.principal.Name)},
		{launch.HeaderRoles, identity.Roles(r.principal.Roles)},
		{launch.HeaderIdentity, token},
	}
	// A header without value is none.
	r.upstream = slices.DeleteFunc(r.upstream, func(f Field) bool { return f.Value == "" })
	return nil
}
