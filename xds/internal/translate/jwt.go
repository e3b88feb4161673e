package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	// requirementBoth is what the fast route asks of tokens: that those which are
	// good are told of. It asks for nothing: what is missing, the external
	// processor finds too.
	requirementBoth = "both"

	// Envoy takes a token for good for as long as its clock skew after it has
	// expired, and a second more than the external processor: so it has one less.
	bearerSkew = 59
	// The external processor knows no skew of session tokens. Zero would mean the
	// default here; the expression judges their expiry again.
	sessionSkew = 1

	// Results are kept for each of Envoy's threads: a few KiB each.
	cachedBearers, cachedSessions = 2048, 8192
	cachedTokenBytes              = 8 << 10
)

// jwtAuthn verifies the bearer token and the session token, where a route asks
// for it. It refuses nothing.
func jwtAuthn(t Trust) *jwtv3.JwtAuthentication {
	config := &jwtv3.JwtAuthentication{
		Providers:      map[string]*jwtv3.JwtProvider{},
		RequirementMap: map[string]*jwtv3.JwtRequirement{requirementBoth: anything()},
	}
	if t.empty() {
		return config
	}
	session := provider(contract.SessionIssuer, t.SessionKeys, sessionSkew, cachedSessions)
	session.FromHeaders = []*jwtv3.JwtHeader{{Name: headerSession}}
	session.PayloadInMetadata = contract.MetadataSessionToken
	config.Providers[contract.MetadataSessionToken] = session

	var bearers []*jwtv3.JwtRequirement
	for _, issuer := range t.believed() {
		for _, name := range issuer.Names {
			key := tokenKey(issuer, name)
			config.Providers[key] = bearer(issuer, name, key)
			bearers = append(bearers, from(key))
		}
	}
	config.RequirementMap[requirementBoth] = &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_RequiresAll{
		RequiresAll: &jwtv3.JwtRequirementAndList{Requirements: []*jwtv3.JwtRequirement{
			satisfiedBy(append(bearers, anything())), satisfiedBy([]*jwtv3.JwtRequirement{from(contract.MetadataSessionToken), anything()}),
		}},
	}}
	return config
}

// bearer is the provider of the tokens that call their issuer name. Whether they
// are meant for the gateway, the expression judges.
func bearer(issuer authn.TrustedIssuer, name, key string) *jwtv3.JwtProvider {
	p := provider(name, issuer.KeySet, bearerSkew, cachedBearers)
	p.FromHeaders = []*jwtv3.JwtHeader{{Name: "authorization", ValuePrefix: "Bearer "}}
	p.PayloadInMetadata, p.HeaderInMetadata = key, headerKey(key)
	return p
}

func provider(issuer string, keySet []byte, skew, cached uint32) *jwtv3.JwtProvider {
	return &jwtv3.JwtProvider{
		Issuer: issuer,
		// Keys from the network with a cache of results would be believed after
		// they were taken back.
		JwksSourceSpecifier: &jwtv3.JwtProvider_LocalJwks{LocalJwks: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: string(keySet)},
		}},
		RequireExpiration: true,
		ClockSkewSeconds:  skew,
		// The external processor may have to judge them.
		Forward:        true,
		JwtCacheConfig: &jwtv3.JwtCacheConfig{JwtCacheSize: cached, JwtMaxTokenSize: cachedTokenBytes},
	}
}

func from(provider string) *jwtv3.JwtRequirement {
	return &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_ProviderName{ProviderName: provider}}
}

func satisfiedBy(list []*jwtv3.JwtRequirement) *jwtv3.JwtRequirement {
	return &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_RequiresAny{
		RequiresAny: &jwtv3.JwtRequirementOrList{Requirements: list},
	}}
}

// anything is satisfied by a token that is missing or bad.
func anything() *jwtv3.JwtRequirement {
	return &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_AllowMissingOrFailed{AllowMissingOrFailed: &emptypb.Empty{}}}
}

// verified asks for the verification of the tokens of a route's requests.
func verified() *anypb.Any {
	return packed(&jwtv3.PerRouteConfig{RequirementSpecifier: &jwtv3.PerRouteConfig_RequirementName{RequirementName: requirementBoth}})
}
