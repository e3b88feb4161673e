package trust

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type issuers struct{ adapters.Notifier }

func (*issuers) TrustedIssuers() ([]authn.TrustedIssuer, error) {
	return []authn.TrustedIssuer{{Names: []string{"a"}}}, nil
}

// sessions changes once it is told to.
type sessions struct{ change chan struct{} }

func (sessions) KeySet() []byte { return []byte("k") }

func (s sessions) Run(ctx context.Context, changed func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.change:
			changed()
		}
	}
}

func TestChangesOfBothAreTold(t *testing.T) {
	who, keys := &issuers{}, sessions{make(chan struct{})}
	s := New(who, keys)
	ctx, cancel := context.WithCancel(t.Context())
	changes := s.Changes(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	told := func(of string) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s is not told", of)
		}
	}
	told("the beginning")
	who.Notify()
	told("a change of issuers")
	keys.change <- struct{}{}
	told("a change of keys")
	trust, err := s.Trust()
	if err != nil || len(trust.Issuers) != 1 || string(trust.SessionKeys) != "k" {
		t.Errorf("%+v, error %v", trust, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
