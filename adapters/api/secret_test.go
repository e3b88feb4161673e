package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/audit"
)

// TestSecretsAreWrittenAndNeverRead goes the whole life of a secret; its value
// is in no answer, no log and no line of the audit.
func TestSecretsAreWrittenAndNeverRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	kept, err := audit.Open(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	f := newFixture(t, func(cfg *api.Config) { cfg.Audit = kept })
	var answers strings.Builder
	must := func(status int, method, path, body string, header ...string) answer {
		t.Helper()
		got := f.must(t, status, "alice", method, path, body, header...)
		answers.WriteString(got.body)
		return got
	}
	stored := func(name string) string {
		t.Helper()
		a, err := f.service.Get(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		return a.Secrets()[name]
	}
	must(201, "POST", "/adapters", minimal("one", `,"secretEnvironmentVariables":{"A":"SECRET-first","B":"SECRET-second"}`), "Idempotency-Key", "k")
	must(201, "POST", "/adapters", minimal("one", `,"secretEnvironmentVariables":{"A":"SECRET-first","B":"SECRET-second"}`), "Idempotency-Key", "k")
	must(422, "POST", "/adapters", minimal("one", `,"secretEnvironmentVariables":{"A":"SECRET-other","B":"SECRET-second"}`), "Idempotency-Key", "k")
	got := must(200, "GET", "/adapters/one", "")
	if !strings.Contains(got.body, `"secretEnvironmentVariables":{"A":"***","B":"***"}`) {
		t.Errorf("GET answers %s", got.body)
	}
	// GET, edit, PUT.
	must(200, "PUT", "/adapters/one", strings.Replace(got.body, `"description":""`, `"description":"edited"`, 1))
	if stored("A") != "SECRET-first" || stored("B") != "SECRET-second" {
		t.Error("a PUT of what GET answered changed a secret")
	}
	must(200, "PATCH", "/adapters/one", `{"secretEnvironmentVariables":{"A":"SECRET-third","B":null,"C":"SECRET-fourth"}}`)
	if stored("A") != "SECRET-third" || stored("B") != "" || stored("C") != "SECRET-fourth" {
		t.Error("a PATCH did not merge")
	}
	must(200, "PATCH", "/adapters/one?dryRun=true", `{"secretEnvironmentVariables":{"A":"SECRET-dry"}}`)
	must(400, "PATCH", "/adapters/one", `{"secretEnvironmentVariables":{"NEW":"***"}}`)
	must(200, "GET", "/adapters", "")
	must(204, "DELETE", "/adapters/one", "")

	lines, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"answers": answers.String(), "log": f.logged(), "audit": string(lines)} {
		if strings.Contains(text, "SECRET") {
			t.Errorf("the %s show a secret:\n%s", what, text)
		}
	}
	// The audit has which of them changed.
	if !strings.Contains(string(lines), `"/secretEnvironmentVariables/A","/secretEnvironmentVariables/B"`) && !auditNames(t, lines, "/secretEnvironmentVariables/A") {
		t.Errorf("the audit does not say that A changed:\n%s", lines)
	}
}

// auditNames reports whether a line says that something changed there.
func auditNames(t *testing.T, lines []byte, pointer string) bool {
	t.Helper()
	for line := range strings.Lines(string(lines)) {
		var e audit.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(e.Changed, pointer) {
			return true
		}
	}
	return false
}

func TestSecretsFollowTheRulesOfVariables(t *testing.T) {
	f := newFixture(t)
	for members, want := range map[string]struct {
		status  int
		pointer string
	}{
		`,"secretEnvironmentVariables":{"MOORING_X":"SECRET"}`:                        {400, "#/secretEnvironmentVariables/MOORING_X"},
		`,"secretEnvironmentVariables":{"MCP_COMMAND":"SECRET"}`:                      {400, "#/secretEnvironmentVariables/MCP_COMMAND"},
		`,"secretEnvironmentVariables":{"MCP_ARGS":"--key SECRET"}`:                   {400, "#/secretEnvironmentVariables/MCP_ARGS"},
		`,"secretEnvironmentVariables":{"1A":"SECRET"}`:                               {400, "#/secretEnvironmentVariables/1A"},
		`,"secretEnvironmentVariables":{"A":"abc"}`:                                   {400, "#/secretEnvironmentVariables/A"},
		`,"secretEnvironmentVariables":{"A":"ab\ncd\nef"}`:                            {400, "#/secretEnvironmentVariables/A"},
		`,"secretEnvironmentVariables":{"A":1}`:                                       {400, "#/secretEnvironmentVariables/A"},
		`,"secretEnvironmentVariables":{"A":"***"}`:                                   {400, "#/secretEnvironmentVariables/A"},
		`,"secretEnvironmentVariables":{"LD_PRELOAD":"SECRET"}`:                       {403, "#/secretEnvironmentVariables/LD_PRELOAD"},
		`,"secretEnvironmentVariables":{"A":"SECRET"},"upstreamAuth":{"mode":"none"}`: {201, ""},
	} {
		got := f.must(t, want.status, "alice", http.MethodPost, "/adapters", minimal("one", members))
		if strings.Contains(got.body, "SECRET") {
			t.Errorf("%s: %s", members, got.body)
		}
		if want.pointer != "" && !slices.Contains(got.problem(t).pointers(), want.pointer) {
			t.Errorf("%s: %s", members, got.body)
		}
	}
	both := strings.Replace(minimal("two", `,"secretEnvironmentVariables":{"A":"SECRET"}`), `"MCP_COMMAND":"npx"`, `"MCP_COMMAND":"npx","A":"b"`, 1)
	if got := f.must(t, 400, "alice", http.MethodPost, "/adapters", both).problem(t).pointers(); !slices.Contains(got, "#/secretEnvironmentVariables/A") {
		t.Errorf("a name twice: %v", got)
	}
}

func TestStaticHeadersNeedTheirSecret(t *testing.T) {
	f := newFixture(t)
	remote := func(more string) string {
		return `{"name":"one","imageName":"mcp-proxy","imageVersion":"1","environmentVariables":{"MCP_PROXY_URL":"https://mcp.example/mcp"}` + more + `}`
	}
	for body, want := range map[string]string{
		remote(`,"upstreamAuth":{"mode":"static"}`):                                                                                                                           "#/upstreamAuth/secret",
		remote(`,"upstreamAuth":{"mode":"static","secret":"A"}`):                                                                                                              "#/upstreamAuth/secret",
		remote(`,"upstreamAuth":{"mode":"static","secret":"A","header":"Host"},"secretEnvironmentVariables":{"A":"SECRET"}`):                                                  "#/upstreamAuth",
		remote(`,"upstreamAuth":{"mode":"static","secret":"A"},"secretEnvironmentVariables":{"A":"SECRET\nX: y"}`):                                                            "#/upstreamAuth",
		remote(`,"upstreamAuth":{"mode":"identity","secret":"A"}`):                                                                                                            "#/upstreamAuth/secret",
		minimal("one", `,"upstreamAuth":{"mode":"static","secret":"A"},"secretEnvironmentVariables":{"A":"SECRET"}`):                                                          "#/upstreamAuth",
		strings.Replace(remote(""), `/mcp"}`, `/mcp","MCP_PROXY_HEADERS":"{\"A\":{\"variable\":\"NONE\"}}"}`, 1):                                                              "#/environmentVariables/MCP_PROXY_HEADERS",
		strings.Replace(remote(`,"upstreamAuth":{"mode":"static","secret":"A"},"secretEnvironmentVariables":{"A":"SECRET"}`), `/mcp"}`, `/mcp","MCP_PROXY_HEADERS":"{}"}`, 1): "#/upstreamAuth",
	} {
		got := f.must(t, 400, "alice", http.MethodPost, "/adapters", body)
		if !slices.Contains(got.problem(t).pointers(), want) || strings.Contains(got.body, "SECRET") {
			t.Errorf("%s:\n%s", body, got.body)
		}
	}
	f.must(t, 201, "alice", http.MethodPost, "/adapters", remote(`,"upstreamAuth":{"mode":"static","secret":"A","scheme":"Bearer"},"secretEnvironmentVariables":{"A":"SECRET"}`))
}

// TestBrokenJSONShowsNothingOfIt: what is broken can be a secret.
func TestBrokenJSONShowsNothingOfIt(t *testing.T) {
	f := newFixture(t)
	f.must(t, 201, "alice", "POST", "/adapters", minimal("one", `,"secretEnvironmentVariables":{"A":"SECRET"}`))
	for _, value := range []string{"SECRET", `"SEC\qRET"`, `"SEC\u12zzRET"`, "\"SEC\x01RET\"", "\"SEC\xffRET\"", `"SEC\ud800QRET"`, "QRET", "trueRET", "1RET", `"SEC"QRET`, `'SECRET'`, `{"SECRET":1,"SECRET":2}`} {
		for _, members := range []string{`{"A":` + value + `}`, value} {
			for method, path := range map[string]string{"POST": "/adapters", "PUT": "/adapters/one", "PATCH": "/adapters/one"} {
				shown := fmt.Sprint(f.must(t, 400, "alice", method, path, minimal("one", `,"secretEnvironmentVariables":`+members)).problem(t).Errors)
				for _, part := range []string{"SEC", "RET", "'Q'", `\\q`, "zz", `'S'`} {
					if strings.Contains(shown, part) && !strings.Contains(value, `{"SECRET"`) {
						t.Errorf("%s of %s shows %s: %s", method, members, part, shown)
					}
				}
			}
		}
	}
}
