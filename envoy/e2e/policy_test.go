package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// applied bounds the time from a change until requests feel it.
const applied = 10 * time.Second

const callCrash = `{"jsonrpc":"2.0","id":"c-7","method":"tools/call","params":{"name":"crash","arguments":{}}}`

// reader is m to a user with the role that the adapters here want.
func reader(m *harness.Mooring, user string) *harness.Mooring {
	return m.As("X-Dev-UserId", user, "X-Dev-Roles", "reader")
}

// deployForReaders deploys an adapter for those with the role reader.
func deployForReaders(m *harness.Mooring, name string, limits *adapters.TrafficLimits) {
	spec := m.TestServer(name, 1)
	spec.RequiredRoles, spec.Limits = []string{"reader"}, limits
	m.Deploy(spec)
}

// shows reports whether the session is shown exactly these tools.
func shows(ctx context.Context, t *testing.T, session *mcp.ClientSession, want ...string) bool {
	t.Helper()
	list, err := session.ListTools(ctx, nil)
	if err != nil {
		t.Fatalf("listing tools: %v", err)
	}
	var got []string
	for _, tool := range list.Tools {
		got = append(got, tool.Name)
	}
	slices.Sort(got)
	return slices.Equal(got, want)
}

// TestToolRulesOfOpenSessions: what may be called, and what is shown, follows
// the rules with the next request, and a refused call never gets as far as the
// server: crash would end it.
func TestToolRulesOfOpenSessions(t *testing.T) {
	m := harness.Start(t)
	deployForReaders(m, "a", nil)
	ann := reader(m, "ann")
	ctx := limited(t, time.Minute)
	session, raw := ann.Connect(ctx, "a"), ann.Initialize("a")
	if !shows(ctx, t, session, "ask", "crash", "echo", "environment", "grow", "hold", "progress", "record", "report", "trace", "who") {
		t.Fatal("without rules not all tools are shown")
	}
	process, rawProcess := mustCall(ctx, t, session, "who", nil), raw.MustCall("who")

	m.API(http.StatusOK, http.MethodPatch, "/adapters/a",
		`{"toolRules":{"deny":["crash","g*"],"expression":"tool != 'echo' || arguments.text != 'secret'"}}`)
	m.Await("the rules apply to the list", applied, func() bool {
		return shows(ctx, t, session, "ask", "echo", "environment", "hold", "progress", "record", "report", "trace", "who")
	})
	answer := raw.Post(callCrash)
	if answer.Status != http.StatusForbidden || !strings.Contains(answer.Body, `"id":"c-7"`) || !strings.Contains(answer.Body, `"error"`) {
		t.Errorf("a denied tool: status %d: %s", answer.Status, answer.Body)
	}
	for tool, arguments := range map[string]map[string]any{"grow": {"text": "grown"}, "echo": {"text": "secret"}, "crash": {}} {
		if text, err := harness.Call(ctx, session, tool, arguments); err == nil {
			t.Errorf("%s %v was answered with %q", tool, arguments, text)
		}
	}
	if text := mustCall(ctx, t, session, "echo", map[string]any{"text": "public"}); text != "public" {
		t.Errorf("an allowed call: %q", text)
	}
	if again, rawAgain := mustCall(ctx, t, session, "who", nil), raw.MustCall("who"); again != process || rawAgain != rawProcess {
		t.Errorf("%s and %s answer, not %s and %s", again, rawAgain, process, rawProcess)
	}

	m.API(http.StatusOK, http.MethodPatch, "/adapters/a", `{"toolRules":null}`)
	m.Await("all is shown again, and nothing had grown", applied, func() bool {
		return shows(ctx, t, session, "ask", "crash", "echo", "environment", "grow", "hold", "progress", "record", "report", "trace", "who")
	})
}

func mustCall(ctx context.Context, t *testing.T, session *mcp.ClientSession, tool string, arguments any) string {
	t.Helper()
	text, err := harness.Call(ctx, session, tool, arguments)
	if err != nil {
		t.Fatalf("calling %s: %v", tool, err)
	}
	return text
}

// TestRolesOfOpenSessions: who lacks the role is refused, and who lacks it of a
// sudden is too, until the adapter wants it no more.
func TestRolesOfOpenSessions(t *testing.T) {
	m := harness.Start(t)
	deployForReaders(m, "a", nil)
	for _, roles := range []string{"readers", "Reader", "ops"} {
		if answer := m.As("X-Dev-UserId", "bob", "X-Dev-Roles", roles).TryInitialize("a"); answer.Status != http.StatusForbidden {
			t.Errorf("with the roles %s: status %d: %s", roles, answer.Status, answer.Body)
		}
	}
	session := reader(m, "ann").Initialize("a")
	process := session.MustCall("who")
	m.API(http.StatusOK, http.MethodPatch, "/adapters/a", `{"requiredRoles":["ops"]}`)
	m.Await("the session is refused", applied, func() bool { return session.Post(listTools).Status == http.StatusForbidden })
	if answer := session.Send(http.MethodDelete, ""); answer.Status != http.StatusForbidden {
		t.Errorf("ending it: status %d: %s", answer.Status, answer.Body)
	}
	m.API(http.StatusOK, http.MethodPatch, "/adapters/a", `{"requiredRoles":["ops","reader"]}`)
	m.Await("the session is let in again", applied, func() bool { return session.Post(listTools).Status == http.StatusOK })
	if again := session.MustCall("who"); again != process {
		t.Errorf("%s answers, not %s", again, process)
	}
}

// TestLimitsOfOneAdapter: each limit has its status, and another adapter knows
// nothing of it.
func TestLimitsOfOneAdapter(t *testing.T) {
	m := harness.Start(t)
	deployForReaders(m, "free", nil)
	free := reader(m, "ann").Initialize("free")
	limitRate(t, m, free)
	limitOpen(t, m, free)
	limitTime(t, m, free)
}

func limitRate(t *testing.T, m *harness.Mooring, free harness.Raw) {
	t.Helper()
	deployForReaders(m, "rated", nil)
	ann, bob := reader(m, "ann").Initialize("rated"), reader(m, "bob").Initialize("rated")
	m.API(http.StatusOK, http.MethodPatch, "/adapters/rated", `{"limits":{"requestsPerSecondPerPrincipal":1}}`)
	var refused harness.Answer
	next := 100 // no id comes twice, as all are of one session
	m.Await("ann is over her rate", applied, func() bool {
		answers := make([]harness.Answer, 8)
		var group errgroup.Group
		for i := range answers {
			next++
			body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, next)
			group.Go(func() (err error) {
				answers[i], err = ann.Try(http.MethodPost, body)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, answer := range answers {
			switch answer.Status {
			case http.StatusOK:
			case http.StatusTooManyRequests:
				refused = answer
			default:
				t.Fatalf("status %d: %s", answer.Status, answer.Body)
			}
		}
		return refused.Status != 0
	})
	checkRefusal(t, refused)
	if answer := bob.Post(listTools); answer.Status != http.StatusOK {
		t.Errorf("somebody else: status %d: %s", answer.Status, answer.Body)
	}
	free.MustCall("who")
}

func limitOpen(t *testing.T, m *harness.Mooring, free harness.Raw) {
	t.Helper()
	deployForReaders(m, "narrow", &adapters.TrafficLimits{ConcurrentRequests: 1})
	ann, bob := reader(m, "ann").Initialize("narrow"), reader(m, "bob").Initialize("narrow")
	file := filepath.Join(t.TempDir(), "release")
	stream, err := ann.CallStream(limited(t, 30*time.Second), "hold", harness.JSON(m, map[string]string{"file": file}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := stream.Next(); err != nil {
		t.Fatalf("the first event: %v", err)
	}
	answer := bob.Post(listTools)
	if answer.Status != http.StatusServiceUnavailable {
		t.Errorf("a second request: status %d: %s", answer.Status, answer.Body)
	}
	checkRefusal(t, answer)
	free.MustCall("who")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Until("released"); err != nil {
		t.Error(err)
	}
	m.Await("there is room again", applied, func() bool { return bob.Post(listTools).Status == http.StatusOK })
}

func limitTime(t *testing.T, m *harness.Mooring, free harness.Raw) {
	t.Helper()
	deployForReaders(m, "slow", &adapters.TrafficLimits{RequestTimeoutSeconds: 1})
	session := reader(m, "ann").Initialize("slow")
	file := filepath.Join(t.TempDir(), "never")
	var answer harness.Answer
	var group errgroup.Group
	group.Go(func() (err error) {
		// Without a progress token: a stream that has begun can only be cut.
		answer, err = session.Try(http.MethodPost,
			`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"hold","arguments":{"file":"`+file+`"}}}`)
		return err
	})
	free.MustCall("who")
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusGatewayTimeout || !strings.Contains(answer.Body, `"error"`) {
		t.Errorf("status %d: %s", answer.Status, answer.Body)
	}
	// The server goes on with it: to a client of this era, a broken connection
	// takes nothing back.
	if answer := session.Post(listTools); answer.Status != http.StatusOK {
		t.Errorf("the session after that: status %d: %s", answer.Status, answer.Body)
	}
}

// checkRefusal: a refused client is told when to come again, in JSON.
func checkRefusal(t *testing.T, answer harness.Answer) {
	t.Helper()
	if answer.Header.Get("Retry-After") == "" || !strings.Contains(answer.Body, `"error"`) || !json.Valid([]byte(answer.Body)) {
		t.Errorf("status %d, Retry-After %q: %s", answer.Status, answer.Header.Get("Retry-After"), answer.Body)
	}
}

// TestSessionKeysAreReplaced goes through what the page on session keys says,
// without a restart.
func TestSessionKeysAreReplaced(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	folder := filepath.Join(m.State, "keys", "session")
	first, err := filepath.Glob(filepath.Join(folder, "*.pem"))
	if err != nil || len(first) != 1 {
		t.Fatalf("keys at the start: %v, error %v", first, err)
	}
	old := m.Initialize("a")
	process, extproc := old.MustCall("who"), m.PID("extproc")

	made, err := exec.CommandContext(t.Context(), harness.Program(t, "extproc"), "make-key", "--session-keys", folder).Output()
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	if info, err := os.Stat(strings.TrimSpace(string(made))); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it printed %q: %v, error %v", made, info, err)
	}
	var young harness.Raw
	m.Await("the new key signs", applied, func() bool {
		young = m.Initialize("a")
		return keyOf(t, young.ID) != keyOf(t, old.ID)
	})
	if again := old.MustCall("who"); again != process {
		t.Errorf("the old session: %s answers, not %s", again, process)
	}
	young.MustCall("who")

	if err := os.Remove(first[0]); err != nil {
		t.Fatal(err)
	}
	m.Await("the old session is unknown", applied, func() bool { return old.Post(listTools).Status == http.StatusNotFound })
	young.MustCall("who")
	if answer := m.TryInitialize("a"); answer.Status != http.StatusOK {
		t.Errorf("a session after that: status %d: %s", answer.Status, answer.Body)
	}
	if m.PID("extproc") != extproc {
		t.Error("the external processor was started anew")
	}
}

// keyOf is the id of the key that signed a session's id.
func keyOf(t *testing.T, id string) string {
	t.Helper()
	head, _, _ := strings.Cut(id, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var header struct{ Kid string }
	if err == nil {
		err = json.Unmarshal(text, &header)
	}
	if err != nil || header.Kid == "" {
		t.Fatalf("a session id without a key: %v", err)
	}
	return header.Kid
}
