package main

import (
	"context"
	"io"
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

// TestOpenStreams holds that streams are counted apart from requests, for each
// user and for all of them, and that a request is none.
func TestOpenStreams(t *testing.T) {
	g := newGateway(t)
	open := func(user string) (a answer, end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		r := g.request(t, "/adapters/streams/mcp", http.MethodGet, nil, "X-Dev-UserId", user, "X-Dev-Roles", "reader")
		res, err := g.client.Do(r.WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		end = func() {
			cancel()
			res.Body.Close()
		}
		t.Cleanup(end)
		a = answer{status: res.StatusCode, header: res.Header}
		if a.status != http.StatusOK {
			text, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			a.body = string(text)
		}
		return a, end
	}
	wantRefusal := func(a answer, status, code int) {
		t.Helper()
		if got, _ := a.rpcError(t); a.status != status || got != code || a.header.Get("Retry-After") != "1" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	first, end := open("bob")
	second, _ := open("bob")
	if first.status != http.StatusOK || second.status != http.StatusOK {
		t.Fatalf("%+v, %+v", first, second)
	}
	third, _ := open("bob")
	wantRefusal(third, http.StatusTooManyRequests, -32600)
	other, _ := open("cyd")
	if other.status != http.StatusOK {
		t.Fatalf("another user: %+v", other)
	}
	last, _ := open("cyd")
	wantRefusal(last, http.StatusServiceUnavailable, -32603)
	listen := `{"jsonrpc":"2.0","id":3,"method":"subscriptions/listen","params":{` + modern + `}}`
	wantRefusal(g.doAt(t, "/adapters/streams/mcp", http.MethodPost, listen, "X-Dev-UserId", "cyd", "X-Dev-Roles", "reader",
		"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen"), http.StatusServiceUnavailable, -32603)
	for range 5 {
		if a := g.doAt(t, "/adapters/streams/mcp", http.MethodPost, listTools, "X-Dev-UserId", "bob", "X-Dev-Roles", "reader"); a.status != http.StatusOK {
			t.Errorf("a request: %d %s", a.status, a.body)
		}
	}
	end()
	eventually(t, "one more stream is served after one has ended", func() bool {
		a, _ := open("cyd")
		return a.status == http.StatusOK
	})
}
