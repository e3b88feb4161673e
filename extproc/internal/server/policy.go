package server

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/metadata"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/recent"
)

// maxPolicies bounds how many parsed policies are kept: three routes of ten
// thousand adapters, about 1 KB each.
const maxPolicies = 32 << 10

var errNoPolicy = errors.New("no policy, or more than one, in the stream's metadata")

// policies parses the policy that comes with each request, once per text.
type policies struct {
	parsed *recent.Cache[string, decide.Policy]
}

func newPolicies() *policies {
	return &policies{parsed: recent.New[string, decide.Policy](maxPolicies)}
}

// of is the policy of the route that the request took.
func (p *policies) of(ctx context.Context) (decide.Policy, error) {
	values := metadata.ValueFromIncomingContext(ctx, contract.PolicyMetadataKey)
	if len(values) != 1 {
		return decide.Policy{}, errNoPolicy
	}
	text := values[0]
	if policy, ok := p.parsed.Get(text); ok {
		return policy, nil
	}
	decoded, err := contract.DecodePolicy(text)
	if err != nil {
		return decide.Policy{}, fmt.Errorf("reading policy of route: %w", err)
	}
	policy, err := decide.NewPolicy(decoded)
	if err != nil {
		return decide.Policy{}, fmt.Errorf("reading policy of adapter %q: %w", decoded.Adapter, err)
	}
	p.parsed.Put(text, policy)
	return policy, nil
}
