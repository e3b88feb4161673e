package main

import (
	"context"
	"net/http"
	"testing"
)

func TestRates(t *testing.T) {
	g := newGateway(t)
	ask := func(adapter, user string) answer {
		return g.doAt(t, "/adapters/"+adapter+"/mcp", http.MethodPost, listTools, "X-Dev-UserId", user, "X-Dev-Roles", "reader")
	}
	// A second's worth at once; whatever the machine's speed, twice as many are
	// too many.
	count := func(adapter, user string, n int) (refused int) {
		for range n {
			switch a := ask(adapter, user); a.status {
			case http.StatusOK:
				a.seen(t)
			case http.StatusTooManyRequests:
				refused++
				if code, id := a.rpcError(t); code != -32600 || id != "null" || a.header.Get("Retry-After") != "1" {
					t.Errorf("code %d, id %s, headers %v", code, id, a.header)
				}
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		return refused
	}
	if refused := count("rated", "bob", 9); refused < 3 || refused > 6 {
		t.Errorf("%d of 9 were refused to one user", refused)
	}
	if refused := count("rated", "cyd", 2); refused != 0 {
		t.Errorf("another user was refused %d times", refused)
	}
	if refused := count("rated", "dan", 3) + count("rated", "eve", 3) + count("rated", "fay", 3); refused < 3 {
		t.Errorf("%d of 9 were refused by the adapter's own limit", refused)
	}
	if refused := count("a", "bob", 20); refused != 0 {
		t.Errorf("another adapter refused %d", refused)
	}
}

func TestOpenRequests(t *testing.T) {
	g := newGateway(t)
	open := func(user string) (status int, end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		r := g.request(t, "/adapters/held/mcp", http.MethodGet, nil, "X-Dev-UserId", user, "X-Dev-Roles", "reader")
		res, err := g.client.Do(r.WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		end = func() {
			cancel()
			res.Body.Close()
		}
		t.Cleanup(end)
		return res.StatusCode, end
	}
	ask := func(user string) answer {
		return g.doAt(t, "/adapters/held/mcp", http.MethodPost, listTools, "X-Dev-UserId", user, "X-Dev-Roles", "reader")
	}
	if status, _ := open("bob"); status != http.StatusOK {
		t.Fatalf("the first stream: %d", status)
	}
	for range 5 {
		// Requests that have ended count no more.
		eventually(t, "a second request is served", func() bool { return ask("bob").status == http.StatusOK })
	}
	var end func()
	eventually(t, "a second stream is served", func() bool {
		status, e := open("bob")
		end = e
		return status == http.StatusOK
	})
	a := ask("bob")
	if code, id := a.rpcError(t); a.status != http.StatusTooManyRequests || code != -32600 || id != "7" || a.header.Get("Retry-After") != "1" {
		t.Errorf("one too many: %d %s", a.status, a.body)
	}
	if a := ask("cyd"); a.status != http.StatusOK {
		t.Errorf("another user: %d %s", a.status, a.body)
	}
	// Counted requests end no sooner for the processor's end, and count again
	// for the one that follows.
	g.kill(t)
	g.start(t)
	eventually(t, "what is open counts after a restart", func() bool { return ask("bob").status == http.StatusTooManyRequests })
	end()
	eventually(t, "one more is served after a stream has ended", func() bool { return ask("bob").status == http.StatusOK })
	if a := g.doAt(t, "/adapters/held/mcp", http.MethodPost, initialize, "X-Dev-UserId", "cyd", "X-Dev-Roles", "reader"); a.status != http.StatusOK || a.header.Get("Mcp-Session-Id") == "" {
		t.Errorf("initialize: %d %s", a.status, a.body)
	}
}
