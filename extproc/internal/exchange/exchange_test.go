package exchange

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/authn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counting is an issuer that takes a second and numbers its tokens.
type counting struct {
	mu   sync.Mutex
	made int
	err  error
}

func (c *counting) Exchange(context.Context, string, string, authn.Target) (authn.Exchanged, error) {
	time.Sleep(time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	return authn.Exchanged{Token: strconv.Itoa(c.made), Expires: time.Now().Add(5 * time.Minute)}, c.err
}

func TestOneExchangeForAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{}
		e := New(c, time.Now)
		target := authn.Target{Audience: "a"}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got, err := e.Exchange(t.Context(), "i", "token", target); got != "1" || err != nil {
					t.Errorf("token %s, error %v", got, err)
				}
			})
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.Exchange(gone, "i", "token", target); !errors.Is(err, context.Canceled) {
			t.Errorf("who has gone still waits: %v", err)
		}
		all.Wait()
		for name, ask := range map[string]func() (string, error){
			"token":    func() (string, error) { return e.Exchange(t.Context(), "i", "other", target) },
			"issuer":   func() (string, error) { return e.Exchange(t.Context(), "j", "token", target) },
			"audience": func() (string, error) { return e.Exchange(t.Context(), "i", "token", authn.Target{Audience: "b"}) },
			"scope": func() (string, error) {
				return e.Exchange(t.Context(), "i", "token", authn.Target{Audience: "a", Scopes: []string{"s"}})
			},
		} {
			if got, err := ask(); got == "1" || err != nil {
				t.Errorf("another %s has the same token; error %v", name, err)
			}
		}
		before := c.made
		time.Sleep(4 * time.Minute)
		if got, _ := e.Exchange(t.Context(), "i", "token", target); got != "1" || c.made != before {
			t.Errorf("a fresh token was made anew: %s", got)
		}
		time.Sleep(time.Minute)
		if got, _ := e.Exchange(t.Context(), "i", "token", target); got == "1" {
			t.Error("an old token was handed out")
		}
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{err: errors.New("away")}
		e := New(c, time.Now)
		if got, err := e.Exchange(t.Context(), "i", "token", authn.Target{}); err == nil || got != "" {
			t.Errorf("token %s", got)
		}
		c.err = nil
		if _, err := e.Exchange(t.Context(), "i", "token", authn.Target{}); err != nil {
			t.Error(err)
		}
	})
}
