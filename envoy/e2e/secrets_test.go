package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// leak is the value that must be found nowhere.
const leak = "s3cret/value+of=the&test"

// secretive posts an adapter with the secret in the variable of that name.
func secretive(t *testing.T, m *harness.Mooring, name, variables, secret, more string) string {
	t.Helper()
	return m.API(http.StatusCreated, http.MethodPost, "/adapters", `{"name":"`+name+`","imageName":"mcp-proxy","imageVersion":"1.0.0",
		"environmentVariables":{`+variables+`},"secretEnvironmentVariables":{"`+secret+`":"`+leak+`"}`+more+`}`).Body
}

// TestSecretsShowNowhere runs a server that says its secret and one that says
// it and ends at once, gives a third to a remote server, and looks for it in all
// that is answered, written, counted, pushed to Envoy, or shown of processes.
func TestSecretsShowNowhere(t *testing.T) {
	r := startRemote(t)
	m := harness.Start(t)
	command := `"MCP_COMMAND":"` + harness.Program(t, "testserver") + `"`
	shown := []string{
		secretive(t, m, "says", command, "TESTSERVER_SAY", ""),
		secretive(t, m, "fails", command, "TESTSERVER_FAIL", ""),
		secretive(t, m, "far", `"MCP_PROXY_URL":"`+r.URL+`/mcp"`, "TOKEN", `,"upstreamAuth":{"mode":"static","secret":"TOKEN","scheme":"Bearer"}`),
	}
	m.AwaitReady("says", 1, 30*time.Second)
	m.AwaitReady("far", 1, 30*time.Second)
	m.Await("the failure shows", 30*time.Second, func() bool {
		status := m.Status("fails")
		return len(status.Instances) == 1 && strings.Contains(status.Instances[0].Message, "told to fail: ***")
	})
	call(t, m, "says", "who", nil)
	if answer := m.Initialize("far").Post(listTools, "Authorization", "Bearer client's"); answer.Status != http.StatusOK {
		t.Errorf("status %d: %s", answer.Status, answer.Body)
	}
	if got := r.seen().Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+leak {
		t.Errorf("the remote server got %q", got)
	}
	if logs := m.MustDo(http.StatusOK, http.MethodGet, "/adapters/says/logs?instance=0", "").Body; strings.Count(logs, "told to say: ***") < 2 {
		t.Errorf("the log has not what the server said: %s", logs)
	}
	// GET, edit, PUT keeps it, and so does the next start of the server.
	got := m.MustDo(http.StatusOK, http.MethodGet, "/adapters/far", "").Body
	m.API(http.StatusOK, http.MethodPut, "/adapters/far", strings.Replace(got, `"description":""`, `"description":"edited"`, 1))
	m.Initialize("far")
	if r.seen().Get("Authorization") != "Bearer "+leak {
		t.Error("a PUT of what GET answered changed the secret")
	}

	for _, name := range []string{"says", "fails", "far"} {
		for _, path := range []string{"", "/status", "/logs?instance=0"} {
			shown = append(shown, m.MustDo(http.StatusOK, http.MethodGet, "/adapters/"+name+path, "").Body)
		}
	}
	for _, of := range []string{"envoy", "xds", "extproc", "adapters/says/0", "adapters/far/0"} {
		text, err := m.Metrics(of)
		if err != nil {
			t.Error(err)
		}
		shown = append(shown, text)
	}
	shown = append(shown, m.Console(), m.MustDo(http.StatusOK, http.MethodGet, "/adapters", "").Body)
	for _, text := range shown {
		if strings.Contains(text, leak) || strings.Contains(text, "value+of") || strings.Contains(text, "value%2Bof") {
			t.Errorf("it shows in:\n%.3000s", text)
		}
	}
	searchFolder(t, m.State)
	searchCommandLines(t)
	if info, err := os.Stat(filepath.Join(m.State, "keys", "secrets", "sealing.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, error %v", info, err)
	}
}

// searchFolder looks into every file below dir.
func searchFolder(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // logs are replaced
		}
		if bytes.Contains(text, []byte(leak)) || bytes.Contains(text, []byte("value+of")) {
			t.Errorf("it is in %s", path)
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, error %v", files, err)
	}
}

// searchCommandLines looks into the command lines of all processes.
func searchCommandLines(t *testing.T) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatal(lines, err)
	}
	for _, path := range lines {
		// A process may be gone meanwhile.
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(leak)) {
			t.Errorf("it is in %s", path)
		}
	}
}
