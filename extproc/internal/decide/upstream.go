package decide

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/extproc/internal/identity"
)

// Identities makes tokens that tell adapters who calls. *identity.Signer is one.
type Identities interface {
	Token(adapter string, p adapters.Principal) (string, error)
}

// Exchanger exchanges a client's token for one that is meant for a server.
// *exchange.Exchanger is one.
type Exchanger interface {
	Exchange(ctx context.Context, from, token string, t authn.Target) (string, error)
}

// exchange gets the token that the server gets in the place of the client's.
func (j *Judge) exchange(ctx context.Context, r *Request) *Refusal {
	wanted := r.policy.Upstream
	if !wanted.Is(adapters.UpstreamExchange) {
		return nil
	}
	token := authn.Subject(r.head.Header)
	if j.Exchanger == nil || token == "" || r.principal.Issuer == "" {
		return unexchanged(authn.ErrNoExchange)
	}
	text, err := j.Exchanger.Exchange(ctx, r.principal.Issuer, token, authn.Target{
		Audience: wanted.Audience, Resource: wanted.Resource, Scopes: wanted.Scopes,
	})
	if err != nil {
		return unexchanged(err)
	}
	r.upstream = []Field{{launch.HeaderAuthorization, "Bearer " + text}}
	return nil
}

// unexchanged is the refusal for want of a token for the server.
func unexchanged(err error) *Refusal {
	var refused *authn.ExchangeRefused
	switch {
	case errors.Is(err, authn.ErrNoExchange):
		return refusal(http.StatusForbidden, codeInvalidRequest, "exchange_credential",
			"This adapter's server wants a token of its own, which cannot be had for your credential.")
	case errors.As(err, &refused):
		return refusal(http.StatusForbidden, codeInvalidRequest, "exchange_refused",
			"The issuer of your token gives none for this adapter's server ("+refused.Code+").")
	}
	r := refusal(http.StatusBadGateway, codeInternal, "exchange_failed", "The issuer of your token could not be asked for one for this adapter's server.")
	r.Header = []Field{{"retry-after", "5"}}
	r.Cause = err
	return r
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
