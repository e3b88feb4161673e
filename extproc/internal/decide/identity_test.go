package decide

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// perAdapter refuses in the name of the adapter that it is asked for.
type perAdapter struct {
	authn.Development
	refusal authn.Refusal
}

func (p perAdapter) ForAdapter(name string) authn.Authenticator {
	p.refusal.ResourceMetadata = "https://gw/" + name
	return refusing{p.refusal}
}

type refusing struct{ refusal authn.Refusal }

func (r refusing) Authenticate(context.Context, http.Header) (adapters.Principal, error) {
	return adapters.Principal{}, &r.refusal
}

// TestRefusedCredentials: the adapter's own rules count, and the refusal brings
// its status.
func TestRefusedCredentials(t *testing.T) {
	for _, tt := range []struct {
		refusal   authn.Refusal
		status    int
		challenge string
	}{
		{authn.Refusal{Reason: authn.ReasonMissing, Scheme: "Bearer"}, 401, `Bearer resource_metadata="https://gw/a"`},
		{authn.Refusal{Reason: authn.ReasonScope, Scheme: "Bearer", Code: authn.CodeInsufficientScope, Scopes: []string{"x", "y"}}, 403, `scope="x y", error="insufficient_scope"`},
		{authn.Refusal{Reason: authn.ReasonUnavailable}, 503, ""},
	} {
		j := newJudge()
		j.Authenticator = perAdapter{refusal: tt.refusal}
		_, d := j.Head(t.Context(), made(t, onRoute(contract.RouteBirth)), post())
		if d.Refusal == nil || d.Refusal.Status != tt.status || d.Refusal.Reason != string(tt.refusal.Reason) || !d.Refusal.Unauthenticated {
			t.Fatalf("%s: refusal %+v", tt.refusal.Reason, d.Refusal)
		}
		challenge := ""
		for _, field := range d.Refusal.Header {
			if field.Name == "www-authenticate" {
				challenge = field.Value
			}
		}
		if !strings.Contains(challenge, tt.challenge) || tt.challenge == "" && challenge != "" {
			t.Errorf("%s: challenge %s", tt.refusal.Reason, challenge)
		}
	}
}
