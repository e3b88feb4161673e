package decide

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
)

// known authenticates everybody as the same user of an issuer.
type known struct{}

func (known) Authenticate(context.Context, http.Header) (adapters.Principal, error) {
	return adapters.Principal{Issuer: "https://login.example", Subject: "ann", Roles: []string{"reader"}}, nil
}

// fakeExchanger gives tokens that say what they are for.
type fakeExchanger struct{ err error }

func (f fakeExchanger) Exchange(_ context.Context, from, token string, t authn.Target) (string, error) {
	return strings.Join([]string{from, token, t.Audience, t.Resource, strings.Join(t.Scopes, "+")}, ";"), f.err
}

// TestExchange: the server gets the exchanged token in the gateway's own header,
// and without one nothing at all.
func TestExchange(t *testing.T) {
	p := policy
	p.Upstream = &adapters.UpstreamAuth{Mode: adapters.UpstreamExchange, Audience: "a", Scopes: []string{"s", "t"}}
	for name, c := range map[string]struct {
		exchanger  Exchanger
		credential string
		status     int
		reason     string
	}{
		"exchanged": {fakeExchanger{}, "Bearer client", 0, ""},
		"no":        {fakeExchanger{&authn.ExchangeRefused{Code: "invalid_target"}}, "Bearer client", 403, "exchange_refused"},
		"away":      {fakeExchanger{errors.New("dialling 10.0.0.1")}, "Bearer client", 502, "exchange_failed"},
		"API key":   {fakeExchanger{}, "Bearer mk_key", 403, "exchange_credential"},
		"none":      {nil, "Bearer client", 403, "exchange_credential"},
	} {
		j := newJudge()
		j.Authenticator, j.Exchanger = known{}, c.exchanger
		r, d := j.Head(t.Context(), made(t, p), post("Authorization", c.credential, "X-Mooring-Authorization", "Bearer forged"))
		if c.status != 0 {
			if r != nil || d.Refusal == nil || d.Refusal.Status != c.status || d.Refusal.Reason != c.reason || strings.Contains(string(d.Refusal.Body()), "10.0.0.1") {
				t.Errorf("%s: decision %+v, refusal %+v", name, d, d.Refusal)
			}
			continue
		}
		d = j.Body(r, list, nil)
		if d.Refusal != nil || len(d.Set) != 2 || d.Set[1] != (Field{"x-mooring-authorization", "Bearer https://login.example;client;a;;s+t"}) {
			t.Errorf("%s: decision %+v", name, d)
		}
	}
}
