package decide

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

// fakeIdentities makes tokens that say what they are for.
type fakeIdentities struct{ err error }

func (f fakeIdentities) Token(adapter string, p adapters.Principal) (string, error) {
	return "token:" + adapter + ":" + p.Subject, f.err
}

// TestIdentityHeaders: servers of adapters that ask for it learn who calls,
// whatever the client says of that, and others learn nothing.
func TestIdentityHeaders(t *testing.T) {
	head := post("X-Dev-Name", "Ann Ö", "X-Dev-Roles", "reader, a b", "X-Mooring-User", "root", "X-Mooring-Identity", "forged", "X-Mooring-Other", "x")
	for mode, want := range map[adapters.UpstreamMode][]Field{
		adapters.UpstreamNone: nil,
		adapters.UpstreamIdentity: {
			{"x-mooring-user", "ann"}, {"x-mooring-name", "Ann%20%C3%96"}, {"x-mooring-roles", "reader,a%20b"}, {"x-mooring-identity", "token:a:ann"},
		},
	} {
		p := policy
		p.Upstream = &adapters.UpstreamAuth{Mode: mode}
		j := newJudge()
		j.Identities = fakeIdentities{}
		r, d := j.Head(t.Context(), made(t, p), head)
		if d.Refusal != nil {
			t.Fatal(d.Refusal)
		}
		d = j.Body(r, list, nil)
		// The hash of the principal is there in any case.
		if diff := cmp.Diff(append([]Field{{fieldPrincipal, r.principal.Hash()}}, want...), d.Set); diff != "" {
			t.Errorf("%s: set (-want +got):\n%s", mode, diff)
		}
		for _, name := range []string{"x-mooring-user", "x-mooring-identity", "x-mooring-other"} {
			set := slices.ContainsFunc(d.Set, func(f Field) bool { return f.Name == name })
			if removed := slices.Contains(d.Remove, name); removed == set {
				t.Errorf("%s: what the client sent as %s is removed: %t, replaced: %t", mode, name, removed, set)
			}
		}
	}
}

// TestIdentityFailsClosed: a server that relies on the token never gets a
// request without.
func TestIdentityFailsClosed(t *testing.T) {
	p := policy
	p.Upstream = &adapters.UpstreamAuth{Mode: adapters.UpstreamIdentity}
	for _, identities := range []Identities{nil, fakeIdentities{errors.New("no key")}} {
		j := newJudge()
		j.Identities = identities
		r, _ := j.Head(t.Context(), made(t, p), post())
		if d := j.Body(r, list, nil); d.Refusal == nil || d.Refusal.Reason != "identity_unsigned" || len(d.Set) > 0 {
			t.Errorf("decision %+v", d)
		}
	}
}
