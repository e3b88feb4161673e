package remote_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestSessionOutlivesTheServers(t *testing.T) {
	f := startForgetful(t, nil)
	var counted events
	p, target := bridge(t, f.url, keeping(t, t.TempDir(), &counted))
	session := dial(t, target)
	count(t, session, "1")
	if err := session.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "debug"}); err != nil {
		t.Fatal(err)
	}
	if err := session.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "test://r"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"debug", "test://r"} {
		if got := <-f.levels; got != want {
			t.Errorf("the server was told %s, want %s", got, want)
		}
	}
	for n := 2; n < 4; n++ {
		f.lose(nil)
		count(t, session, fmt.Sprint(n))
		for _, want := range []string{"debug", "test://r"} {
			if got := <-f.levels; got != want {
				t.Errorf("the server was told %s again, want %s", got, want)
			}
		}
	}
	if n := counted.count("recovered"); n < 2 || p.Sessions() != 1 || counted.count("lost") != 0 {
		t.Errorf("%+v, %d sessions", counted.got, p.Sessions())
	}
	if err := session.Close(); err != nil || counted.count("closed") != 1 {
		t.Errorf("%v, %+v", err, counted.got)
	}
}

func TestAnotherBridgeGoesOn(t *testing.T) {
	f := startForgetful(t, nil)
	_, first := bridge(t, f.url, keeping(t, t.TempDir(), nil))
	_, second := bridge(t, f.url, keeping(t, t.TempDir(), nil))
	ann := "X-Mooring-Principal: ann"
	id := born(t, first, ann)
	for i, lost := range []bool{false, true} {
		if lost {
			f.lose(nil)
		}
		for _, target := range []string{second, first} {
			if resp, body := post(t, target, list, in(id, ann)...); resp.StatusCode != 200 || !strings.Contains(body, `"count"`) {
				t.Errorf("%d: %d %s", i, resp.StatusCode, body)
			}
			if resp, _ := post(t, target, list, in(id, "X-Mooring-Principal: bob")...); resp.StatusCode != 404 {
				t.Errorf("another user is answered %d", resp.StatusCode)
			}
		}
	}
	if resp, _ := post(t, second, list, in("forged", ann)...); resp.StatusCode != 404 {
		t.Errorf("a forged id is answered %d", resp.StatusCode)
	}
}

func TestAnEndedSessionStaysEnded(t *testing.T) {
	f := startForgetful(t, nil)
	dir := t.TempDir()
	_, target := bridge(t, f.url, keeping(t, dir, nil))
	for _, lost := range []bool{false, true} {
		id := born(t, target)
		if lost {
			f.lose(nil)
		}
		if resp := do(t, http.MethodDelete, target, in(id)...); resp.StatusCode != 204 {
			t.Errorf("DELETE: %d", resp.StatusCode)
		}
		_, again := bridge(t, f.url, keeping(t, dir, nil))
		for _, to := range []string{target, again} {
			if resp, _ := post(t, to, list, in(id)...); resp.StatusCode != 404 {
				t.Errorf("an ended session is answered %d", resp.StatusCode)
			}
		}
	}
}

func TestWhatCannotBeGoneOnWith(t *testing.T) {
	f := startForgetful(t, nil)
	var gone atomic.Bool
	server := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		f.handler.Load().ServeHTTP(w, r)
	})
	var counted events
	_, target := bridge(t, server, keeping(t, t.TempDir(), &counted))
	id := born(t, target)
	gone.Store(true)
	if resp, body := post(t, target, list, in(id)...); resp.StatusCode != 404 || !strings.Contains(body, `"id":2`) || counted.count("lost") != 1 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	gone.Store(false)
	f.lose(nil)
	// The client agreed on another version than the server would now.
	if resp, _ := post(t, target, list, in(id, "Mcp-Protocol-Version: 2025-06-18")...); resp.StatusCode != 404 {
		t.Errorf("another version: %d", resp.StatusCode)
	}
}

// TestMissingMethodIsNoLostSession: some servers answer 404 for it.
func TestMissingMethodIsNoLostSession(t *testing.T) {
	var births atomic.Int32
	server := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Mcp-Session-Id") == "" {
			births.Add(1)
			w.Header().Set("Mcp-Session-Id", "s")
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`))
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"m"}}`))
	})
	_, target := bridge(t, server, keeping(t, t.TempDir(), nil))
	if resp, body := post(t, target, list, in(born(t, target))...); resp.StatusCode != 404 || !strings.Contains(body, "-32601") || births.Load() != 1 {
		t.Errorf("%d %s, %d births", resp.StatusCode, body, births.Load())
	}
}

// TestManyRequestsBeginOneSession: all find out at once that it is lost.
func TestManyRequestsBeginOneSession(t *testing.T) {
	f := startForgetful(t, nil)
	var counted events
	_, target := bridge(t, f.url, keeping(t, t.TempDir(), &counted))
	id := born(t, target)
	f.lose(nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			resp, body := post(t, target, strings.Replace(list, "2,", fmt.Sprint(i+10, ","), 1), in(id)...)
			if resp.StatusCode != 200 {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	all.Wait()
	if n := counted.count("recovered"); n != 1 {
		t.Errorf("%d sessions were begun", n)
	}
}
