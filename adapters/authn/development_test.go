package authn

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestDevelopmentPrincipal(t *testing.T) {
	admin := []string{adapters.AdminRole}
	for name, c := range map[string]struct {
		header http.Header
		want   adapters.Principal
	}{
		"nothing sent":    {header(), adapters.Principal{Subject: "dev", Roles: admin}},
		"all sent":        {header("X-Dev-UserId", "ann", "X-Dev-Name", "Ann Å", "X-Dev-Roles", "a, b,,c "), adapters.Principal{Subject: "ann", Name: "Ann Å", Roles: []string{"a", "b", "c"}}},
		"no roles":        {header("X-Dev-Roles", ""), adapters.Principal{Subject: "dev"}},
		"roles are exact": {header("X-Dev-Roles", "Mcp.Admin"), adapters.Principal{Subject: "dev", Roles: []string{"Mcp.Admin"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Development{}.Authenticate(t.Context(), c.header)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("principal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDevelopmentRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		want   Reason
	}{
		"user twice":      {header("X-Dev-UserId", "a", "X-Dev-UserId", "b"), ReasonRepeated},
		"roles twice":     {header("X-Dev-Roles", "a", "X-Dev-Roles", "b"), ReasonRepeated},
		"name twice":      {header("X-Dev-Name", "a", "X-Dev-Name", "a"), ReasonRepeated},
		"user too long":   {header("X-Dev-UserId", strings.Repeat("a", 257)), ReasonMalformed},
		"roles too long":  {header("X-Dev-Roles", strings.Repeat("a", 4097)), ReasonMalformed},
		"user empty":      {header("X-Dev-UserId", " "), ReasonMalformed},
		"control in user": {header("X-Dev-UserId", "a\tb"), ReasonMalformed},
		"not UTF-8":       {header("X-Dev-Name", "\xff"), ReasonMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Development{}.Authenticate(t.Context(), c.header)
			refusal := AsRefusal(err)
			if refusal.Reason != c.want {
				t.Errorf("reason %q (%v), want %q", refusal.Reason, err, c.want)
			}
			if got := refusal.Challenge(); !strings.HasPrefix(got, `Development realm="mooring"`) {
				t.Errorf("challenge %q", got)
			}
		})
	}
}

func TestAsRefusalTellsNothingOfOtherErrors(t *testing.T) {
	r := AsRefusal(errors.New("dial tcp 10.0.0.1:443: refused"))
	if r.Reason != ReasonUnavailable || strings.Contains(r.Message, "10.0.0.1") || r.Challenge() != "" {
		t.Errorf("refusal %+v", r)
	}
}
