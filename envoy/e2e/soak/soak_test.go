package soak

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// sessionsVariable says how many sessions there are to be.
const sessionsVariable = "SOAK_SESSIONS"

// TestSoak begins and drops sessions in all the ways that clients do, kills
// servers at random and the bridge in between: nothing is left of them, and
// every session that was not ended answers.
func TestSoak(t *testing.T) {
	sessions := 100
	if text := os.Getenv(sessionsVariable); text != "" {
		var err error
		if sessions, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	b := startBridge(t)
	survivors := make([]string, 10)
	for i := range survivors {
		survivors[i] = b.mustOpen()
	}
	b.drop(sessions / 2)
	b.killBridge()
	for _, id := range survivors {
		b.answers(id)
	}
	b.await("all sessions are idle", func(u usage) bool { return u.sessions == 0 })
	quiet := b.usage()
	b.drop(sessions - sessions/2)
	for _, id := range survivors {
		b.answers(id)
	}
	// Connections and goroutines of the runtime's own come and go by a few.
	const slack = 4
	b.await("all is as it was", func(u usage) bool {
		return u.sessions == 0 && u.children <= quiet.children &&
			u.files <= quiet.files+slack && u.goroutines <= quiet.goroutines+slack
	})
	t.Logf("%d sessions: %+v before, %+v after", sessions, quiet, b.usage())
	b.end()
}

// drop begins n sessions and drops each in one of the ways.
func (b *bridge) drop(n int) {
	b.t.Helper()
	ways := []func(id string) error{b.leaveInOrder, b.vanish, b.leaveHalfOpen, b.leaveInACall, b.loseServer}
	var group errgroup.Group
	group.SetLimit(8)
	for i := range n {
		group.Go(func() error {
			id, err := b.open()
			if err != nil {
				return fmt.Errorf("session %d: %w", i, err)
			}
			if err := ways[i%len(ways)](id); err != nil {
				return fmt.Errorf("session %d, way %d: %w", i, i%len(ways), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.t.Fatal(err)
	}
}

// leaveInOrder is DELETE.
func (b *bridge) leaveInOrder(id string) error {
	res, err := b.send(http.MethodDelete, id, "")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("DELETE: status %d", res.StatusCode)
	}
	return nil
}

// vanish says nothing any more.
func (b *bridge) vanish(string) error { return nil }

// leaveHalfOpen opens the session's stream, and a message that never ends, and
// reads neither, until the connections are cut a moment later.
func (b *bridge) leaveHalfOpen(id string) error {
	for _, request := range []string{
		"GET /mcp HTTP/1.1\r\nHost: bridge\r\nAccept: text/event-stream\r\nMcp-Session-Id: " + id + "\r\n\r\n",
		"POST /mcp HTTP/1.1\r\nHost: bridge\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n" +
			"Content-Length: 1000\r\nMcp-Session-Id: " + id + "\r\n\r\n{",
	} {
		conn, err := b.dial()
		if err != nil {
			return err
		}
		if _, err := conn.Write([]byte(request)); err != nil {
			return err
		}
		time.AfterFunc(200*time.Millisecond, func() { _ = conn.Close() })
	}
	return nil
}

// leaveInACall cuts the connection while the server works.
func (b *bridge) leaveInACall(id string) error {
	conn, err := b.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	body := `{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"hold","arguments":{"file":"/nonexistent"}}}`
	_, err = fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: bridge\r\nAccept: application/json, text/event-stream\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nMcp-Session-Id: %s\r\n\r\n%s", len(body), id, body)
	return err
}

// loseServer kills some server, which need not be the session's, and ends the
// session.
func (b *bridge) loseServer(id string) error {
	if servers := b.children(); len(servers) > 0 {
		_ = syscall.Kill(servers[rand.IntN(len(servers))], syscall.SIGKILL)
	}
	return b.leaveInOrder(id)
}
