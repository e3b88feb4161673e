package mcphttp_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
)

// prompt is a server process that answers each request after a while of its own
// choice, from the goroutine that asks or from another.
type prompt struct {
	*fakeChild

	answers sync.WaitGroup
}

func (p *prompt) Send(message []byte) error {
	id := idOf(string(message))
	if id == "" {
		return nil
	}
	answer := func() {
		select {
		case p.out <- `{"jsonrpc":"2.0","id":` + id + `,"result":{"protocolVersion":"2025-11-25"}}`:
		case <-p.stopped:
		}
	}
	if rand.IntN(4) == 0 {
		answer() // before Send returns
		return nil
	}
	p.answers.Go(func() {
		<-time.After(rand.N(2 * patience))
		answer()
	})
	return nil
}

// patience is so short that answers come just when a stream is begun for them.
const patience = time.Millisecond

// TestAnswerAtTheChoiceOfItsForm: an answer that comes just when the request was
// passed on, or just when it is about to become a stream, arrives once.
func TestAnswerAtTheChoiceOfItsForm(t *testing.T) {
	b := serve(t, func(cfg *mcphttp.Config) {
		cfg.PatienceJSON, cfg.KeepAlive, cfg.MaxSessions = patience, time.Hour, 1000
		cfg.Start = func() (mcphttp.Child, error) {
			child := &prompt{fakeChild: &fakeChild{out: make(chan string), stopped: make(chan struct{}), ended: make(chan struct{})}}
			t.Cleanup(child.answers.Wait)
			return child, nil
		}
		cfg.StartModern = func([]byte) (mcphttp.Child, error) { return cfg.Start() }
	})
	var group sync.WaitGroup
	for n := range 16 {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			send := func(body string, headers ...string) (session, text string) {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return "", ""
				}
				for _, h := range append(headers, "Content-Type: application/json", "Accept: application/json, text/event-stream") {
					name, value, _ := strings.Cut(h, ": ")
					req.Header.Set(name, value)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return "", ""
				}
				defer func() { _ = resp.Body.Close() }()
				all, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Error(err)
				}
				return resp.Header.Get("Mcp-Session-Id"), string(all)
			}
			session, _ := send(initialize)
			for i := range 25 {
				body, headers := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, i), []string{"Mcp-Session-Id: " + session}
				if n%2 == 0 {
					body = modernRequest(fmt.Sprint(i), "prompts/list", "")
					headers = []string{"MCP-Protocol-Version: 2026-07-28", "Mcp-Method: prompts/list", fmt.Sprint("X-Mooring-Principal: ", n)}
				}
				if _, text := send(body, headers...); strings.Count(text, fmt.Sprintf(`"id":%d,"result"`, i)) != 1 {
					t.Errorf("request %d has the answer %q", i, text)
				}
			}
		})
	}
	group.Wait()
}
