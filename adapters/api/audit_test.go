package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/audit"
)

// TestAuditTellsWhatWasDoneAndRefused goes through the API as several users.
// Each line says who, what and what came of it; no value of a variable, no key
// and no token is anywhere.
func TestAuditTellsWhatWasDoneAndRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.Open(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	f := newFixture(t, withIdentity(t, &identity{discovery: "standard"}), func(cfg *api.Config) { cfg.Audit = log })
	one := func(more string) string {
		return `{"name":"one","imageName":"mcp-proxy","imageVersion":"1","environmentVariables":{"MCP_COMMAND":"npx","MCP_ARGS":"--key SECRET","TOKEN":"` + more + `"}}`
	}
	f.must(t, 401, "", "GET", "/adapters/one", "", "X-Forwarded-For", "198.51.100.1, 203.0.113.7")
	f.must(t, 200, "alice", "GET", "/adapters", "")
	f.must(t, 400, "alice", "POST", "/adapters", `{"name":"SECRET"}`)
	f.must(t, 201, "alice", "POST", "/adapters", one("SECRET"))
	f.must(t, 200, "alice", "PUT", "/adapters/one?dryRun=true", one("SECRET2"))
	f.must(t, 200, "alice", "PUT", "/adapters/one", one("SECRET2"))
	f.must(t, 403, "bob", "PATCH", "/adapters/one", `{"replicaCount":3}`)
	f.must(t, 200, "alice", "PATCH", "/adapters/one", `{"replicaCount":3,"labels":{"a":"b"}}`)
	f.must(t, 403, "bob", "GET", "/adapters/one", "")
	f.must(t, 404, "bob", "POST", "/adapters/none/mcp", `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	made := f.must(t, 201, "root", "POST", "/apikeys", `{"name":"ci"}`, "Roles", "mcp.admin")
	f.must(t, 204, "alice", "DELETE", "/adapters/one", "")

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		var e audit.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.RequestID == "" || e.Time.IsZero() {
			t.Fatalf("%v: %s", err, line)
		}
		what := strings.Join([]string{e.Principal, e.Source, e.Method, e.Path, e.Adapter, e.Verdict}, " ")
		if e.Before != nil {
			what += " before"
		}
		if e.After != nil {
			what += " after"
		}
		got = append(got, strings.Join(append([]string{what}, e.Changed...), " "))
	}
	_, location, _ := strings.Cut(made.header.Get("Location"), "/apikeys/")
	want := []string{
		" 203.0.113.7 GET /adapters/one one deny",
		"alice  POST /adapters  deny",
		"alice  POST /adapters  allow after",
		"alice  PUT /adapters/one one allow",
		"alice  PUT /adapters/one one allow before after /environmentVariables/TOKEN",
		"bob  PATCH /adapters/one one deny",
		"alice  PATCH /adapters/one one allow before after /labels /replicaCount",
		"bob  GET /adapters/one one deny",
		"bob  POST /adapters/none/mcp none deny",
		"root  POST /apikeys  allow",
		"alice  DELETE /adapters/one one allow before",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(string(text), "SECRET") || strings.Contains(string(text), "mk_") || !strings.Contains(string(text), location) || !strings.Contains(string(text), `"MCP_COMMAND":"npx"`) {
		t.Errorf("it shows a secret, or not what it should:\n%s", text)
	}
	if result, err := audit.Verify(path); err != nil || !result.Complete {
		t.Errorf("%+v, error %v", result, err)
	}
}

// failing is an audit on a full disk.
type failing struct{ full, lost bool }

func (f *failing) Failing() bool { return f.lost }

func (f *failing) Append(...audit.Event) error {
	f.lost = f.full
	if f.full {
		return errors.New("no space left on device")
	}
	return nil
}

// TestNothingChangesWithoutAudit: at most one change is missing in it.
func TestNothingChangesWithoutAudit(t *testing.T) {
	kept := &failing{}
	f := newFixture(t, func(cfg *api.Config) { cfg.Audit = kept })
	f.must(t, http.StatusCreated, "alice", http.MethodPost, "/adapters", minimal("one", ""))
	kept.full = true
	f.must(t, http.StatusOK, "alice", http.MethodPatch, "/adapters/one", `{"description":"first"}`)
	f.must(t, http.StatusServiceUnavailable, "alice", http.MethodPatch, "/adapters/one", `{"description":"second"}`)
	f.must(t, http.StatusServiceUnavailable, "alice", http.MethodDelete, "/adapters/one", "")
	f.must(t, http.StatusOK, "alice", http.MethodGet, "/adapters/one", "")
	kept.full = false
	f.must(t, http.StatusServiceUnavailable, "alice", http.MethodDelete, "/adapters/one", "")
	f.must(t, http.StatusNoContent, "alice", http.MethodDelete, "/adapters/one", "")
}
