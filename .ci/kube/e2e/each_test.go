package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// toEnvoy is a transport to the Envoy of that address alone.
func toEnvoy(address string) *http.Transport {
	through := transport()
	dial := through.DialContext
	through.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, net.JoinHostPort(address, "8080"))
	}
	return through
}

// throughEach is the gateway to somebody, through each Envoy alone.
func throughEach(t *testing.T, who ...string) (each []*harness.Mooring) {
	t.Helper()
	for _, pod := range awaitPods(t, release, component("envoy"), 2, startTimeout) {
		each = append(each, harness.Attach(t, front, toEnvoy(pod.Status.PodIP)).As(who...))
	}
	return each
}

// begin opens a session through each of them.
func begin(each []*harness.Mooring, adapter string) (sessions []harness.Raw) {
	for _, m := range each {
		sessions = append(sessions, m.Initialize(adapter))
	}
	return sessions
}

// revocation is more than it takes until a right that was withdrawn is of no use,
// on a machine that has much else to do.
const revocation = 5 * time.Second

// revoked fails the test unless each session's messages soon have that status once
// a right was withdrawn.
func revoked(t *testing.T, what string, status int, sessions []harness.Raw, withdraw func()) {
	t.Helper()
	began := time.Now()
	withdraw()
	answered := time.Since(began)
	last := make([]time.Duration, len(sessions))
	var group errgroup.Group
	for n, session := range sessions {
		group.Go(func() error {
			// Two of them may be one session, through other Envoys.
			own := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, n)
			for last[n] < startTimeout {
				sent := time.Since(began)
				answer, err := session.Try(http.MethodPost, own)
				switch {
				case err != nil:
					return err
				case answer.Status == status:
					return nil
				case answer.Status != http.StatusOK:
					return fmt.Errorf("status %d: %s", answer.Status, answer.Body)
				}
				last[n] = sent
			}
			return errors.New("its messages still pass")
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	took := slices.Max(last)
	t.Logf("%s: the change took %v; the last message passed that was sent %v after its begin", what,
		answered.Round(time.Millisecond), took.Round(time.Millisecond))
	if took > revocation {
		t.Errorf("%s: messages passed for %v", what, took)
	}
}
