package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// TestSessionsKeepTheirReplica opens 50 sessions on two replicas: every call of
// a session is answered by the process that was started for it, and both
// replicas get some.
func TestSessionsKeepTheirReplica(t *testing.T) {
	const sessions, calls = 50, 5
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 2))
	ctx := limited(t, 2*time.Minute)

	var mu sync.Mutex
	processes, instances := map[string]bool{}, map[string]int{}
	var group errgroup.Group
	group.SetLimit(10)
	for range sessions {
		group.Go(func() error {
			session, err := m.TryConnect(ctx, "a", nil)
			if err != nil {
				return fmt.Errorf("connecting: %w", err)
			}
			t.Cleanup(func() { _ = session.Close() })
			first, err := harness.Call(ctx, session, "who", nil)
			if err != nil {
				return fmt.Errorf("calling: %w", err)
			}
			for range calls - 1 {
				if again, err := harness.Call(ctx, session, "who", nil); err != nil || again != first {
					return fmt.Errorf("first %q answered, then %q, error %v", first, again, err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			processes[first] = true
			instances[strings.Fields(first)[0]]++
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(processes) != sessions {
		t.Errorf("%d sessions have %d processes", sessions, len(processes))
	}
	if len(instances) != 2 {
		t.Errorf("sessions are on the instances %v, not on two", instances)
	}
}

func TestProgressAndAskingBack(t *testing.T) {
	const steps = 20
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 2))
	ctx := limited(t, time.Minute)
	reported := make(chan float64, steps)
	session, err := m.TryConnect(ctx, "a", &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
			reported <- req.Params.Progress
		},
		CreateMessageHandler: func(_ context.Context, req *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			question := req.Params.Messages[0].Content.(*mcp.TextContent).Text
			return &mcp.CreateMessageResult{Role: "assistant", Model: "test", Content: &mcp.TextContent{Text: "re: " + question}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()

	params := &mcp.CallToolParams{Name: "progress", Arguments: map[string]any{"steps": steps}}
	params.SetProgressToken("token")
	result, err := session.CallTool(ctx, params)
	if err != nil || harness.Text(result) != "done" {
		t.Fatalf("result %v, error %v", result, err)
	}
	for step := range steps {
		select {
		case got := <-reported:
			if got != float64(step+1) {
				t.Fatalf("progress %v, not %d", got, step+1)
			}
		case <-ctx.Done():
			t.Fatalf("progress %d never came", step+1)
		}
	}

	answer, err := harness.Call(ctx, session, "ask", map[string]any{"text": "what?"})
	if err != nil || answer != "re: what?" {
		t.Fatalf("answer %q, error %v", answer, err)
	}
}

func TestLargeAnswer(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	text := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	if got := call(t, m, "a", "echo", map[string]any{"text": text}); got != text {
		t.Errorf("%d bytes came back of %d", len(got), len(text))
	}
}

func TestBadSessions(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	m.Deploy(m.TestServer("b", 1))
	ours := m.Initialize("a")
	ours.MustCall("who")

	unknown := ours.With("made-up")
	if answer := unknown.Post(listTools); answer.Status != http.StatusNotFound {
		t.Errorf("made up: status %d: %s", answer.Status, answer.Body)
	}
	edited := ours.With(ours.ID[:len(ours.ID)-4] + "AAAA")
	if answer := edited.Post(listTools); answer.Status != http.StatusNotFound {
		t.Errorf("edited: status %d: %s", answer.Status, answer.Body)
	}
	if answer := ours.At("b").Post(listTools); answer.Status != http.StatusNotFound {
		t.Errorf("of another adapter: status %d: %s", answer.Status, answer.Body)
	}
	if answer := ours.Post(listTools, "X-Dev-UserId", "somebody-else"); answer.Status != http.StatusNotFound {
		t.Errorf("of another user: status %d: %s", answer.Status, answer.Body)
	}
	for _, forged := range []string{"x-mooring-endpoint", "X-Mooring-Principal", "x-envoy-original-path"} {
		if answer := ours.Post(listTools, forged, "L3RtcC94"); answer.Status != http.StatusOK {
			t.Errorf("with a forged %s: status %d: %s", forged, answer.Status, answer.Body)
		}
	}
	if answer := ours.Send(http.MethodDelete, ""); answer.Status != http.StatusOK && answer.Status != http.StatusNoContent {
		t.Errorf("ending the session: status %d: %s", answer.Status, answer.Body)
	}
	if answer := ours.Post(listTools); answer.Status != http.StatusNotFound {
		t.Errorf("ended: status %d: %s", answer.Status, answer.Body)
	}
}

const listTools = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`

// TestModernClient uses a server of the modern era without a session: all
// requests of one user go to one process.
func TestModernClient(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	ctx := limited(t, time.Minute)
	answers := map[string]bool{}
	for range 2 {
		client, err := m.TryConnectAs(ctx, "a", harness.Modern, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		if id := client.ID(); id != "" {
			t.Error("a client of the modern era was given a session")
		}
		answer, err := harness.Call(ctx, client, "who", nil)
		if err != nil {
			t.Fatal(err)
		}
		answers[answer] = true
	}
	if len(answers) != 1 {
		t.Errorf("one user was answered by %v", answers)
	}
}
