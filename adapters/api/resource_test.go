package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCreateReadChangeDelete(t *testing.T) {
	f := newFixture(t)
	created := f.must(t, 201, "alice", "POST", "/adapters", minimal("one", `,"description":"a <b> & \u2028"`))
	if got := created.header.Get("Location"); got != "/adapters/one" {
		t.Errorf("Location %q", got)
	}
	a := created.adapter(t)
	if a.CreatedBy != "alice" || a.ReplicaCount != 1 || a.Description != "a <b> & \u2028" {
		t.Errorf("created %+v", a)
	}
	read := f.must(t, 200, "alice", "GET", "/adapters/one", "")
	if read.body != created.body || read.header.Get("ETag") != created.header.Get("ETag") {
		t.Errorf("created %s %s, read %s %s", created.header.Get("ETag"), created.body, read.header.Get("ETag"), read.body)
	}
	if list := f.must(t, 200, "alice", "GET", "/adapters", ""); strings.TrimSpace(list.body) != "["+strings.TrimSpace(read.body)+"]" {
		t.Errorf("list is %s", list.body)
	}

	edited := strings.Replace(read.body, `"replicaCount":1`, `"replicaCount":3`, 1)
	put := f.must(t, 200, "alice", "PUT", "/adapters/one", edited)
	if got := put.adapter(t); got.ReplicaCount != 3 || got.ID != a.ID || put.header.Get("ETag") == read.header.Get("ETag") {
		t.Errorf("after PUT: %+v", got)
	}
	patch := f.must(t, 200, "alice", "PATCH", "/adapters/one", `{"replicaCount":null,"labels":{"team":"blue"}}`,
		"Content-Type", "application/merge-patch+json")
	if got := patch.adapter(t); got.ReplicaCount != 1 || got.Labels["team"] != "blue" || got.CreatedBy != "alice" {
		t.Errorf("after PATCH: %+v", got)
	}
	f.must(t, 204, "alice", "DELETE", "/adapters/one", "")
	f.must(t, 404, "alice", "GET", "/adapters/one", "")
	f.must(t, 404, "alice", "DELETE", "/adapters/one", "")
	again := f.must(t, 201, "alice", "POST", "/adapters", minimal("one", "")).adapter(t)
	if again.ID == a.ID {
		t.Error("another life has the same id")
	}
}

// TestFieldsHaveTheirOrder holds the very text, which existing clients know.
func TestFieldsHaveTheirOrder(t *testing.T) {
	f := newFixture(t)
	got := f.must(t, 201, "alice", "POST", "/adapters", minimal("one", "")).body
	a := f.must(t, 200, "alice", "GET", "/adapters/one", "").adapter(t)
	times := a.CreatedAt.Format("2006-01-02T15:04:05.999999Z")
	want := `{"id":"` + string(a.ID) + `","name":"one","imageName":"mcp-proxy","imageVersion":"1.0.0",` +
		`"environmentVariables":{"MCP_COMMAND":"npx"},"replicaCount":1,"description":"","useWorkloadIdentity":false,` +
		`"requiredRoles":[],"createdBy":"alice","createdAt":"` + times + `","lastUpdatedAt":"` + times + `"}` + "\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestPayloads posts what users post, as it stands.
func TestPayloads(t *testing.T) {
	files, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("payloads: %v, %v", files, err)
	}
	f := newFixture(t)
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if got := f.must(t, 201, "admin", "POST", "/adapters", string(body), "Roles", "mcp.admin").adapter(t); got.Name != name {
			t.Errorf("%s made adapter %q", file, got.Name)
		}
	}
}

func TestOneOfManyCreatorsWins(t *testing.T) {
	f := newFixture(t)
	answers := make([]answer, 8)
	var done sync.WaitGroup
	for i := range answers {
		done.Go(func() { answers[i] = f.do(t, "alice", "POST", "/adapters", minimal("one", "")) })
	}
	done.Wait()
	count := map[int]int{}
	for _, a := range answers {
		count[a.status]++
	}
	if d := cmp.Diff(map[int]int{201: 1, 409: 7}, count); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestConditions(t *testing.T) {
	f := newFixture(t)
	first := f.must(t, 201, "alice", "POST", "/adapters", minimal("one", "")).header.Get("ETag")
	second := f.must(t, 200, "alice", "PUT", "/adapters/one", minimal("one", `,"replicaCount":2`), "If-Match", first).header.Get("ETag")
	for _, test := range []struct {
		status               int
		method, header, tags string
	}{
		{412, "PUT", "If-Match", first},
		{412, "PATCH", "If-Match", first},
		{412, "DELETE", "If-Match", first},
		{412, "PUT", "If-Match", "W/" + second},
		{412, "PUT", "If-Match", `"x", ` + first},
		{200, "PUT", "If-Match", second},
		{200, "PUT", "If-Match", "*"},
		{200, "PUT", "If-Match", `"x", W/"y" ,` + second},
		{200, "PATCH", "If-Match", `"a,b",` + second},
		{412, "PUT", "If-None-Match", "*"},
		{412, "PUT", "If-None-Match", "W/" + second},
		{200, "PUT", "If-None-Match", first},
		{400, "PUT", "If-Match", "2"},
		{400, "PUT", "If-Match", `"2`},
		{400, "PUT", "If-Match", `"2" "3"`},
		{400, "PUT", "If-Match", ", ,"},
		{304, "GET", "If-None-Match", second},
		{304, "GET", "If-None-Match", first + ", W/" + second},
		{304, "GET", "If-None-Match", "*"},
		{200, "GET", "If-None-Match", first},
		{400, "GET", "If-None-Match", "x"},
		{204, "DELETE", "If-Match", second},
	} {
		body := minimal("one", `,"replicaCount":2`)
		if test.method == "GET" || test.method == "DELETE" {
			body = ""
		}
		got := f.do(t, "alice", test.method, "/adapters/one", body, test.header, test.tags)
		if got.status != test.status {
			t.Errorf("%s with %s: %s: status %d, want %d: %s", test.method, test.header, test.tags, got.status, test.status, got.body)
		}
		if tag := got.header.Get("ETag"); (got.status == 304 || got.status == 412) && tag != second {
			t.Errorf("%d has ETag %q, want %q", got.status, tag, second)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	f := newFixture(t)
	if got := f.do(t, "alice", "GET", "/adapters", "", "X-Request-Id", "abc-1").header.Get("X-Request-Id"); got != "abc-1" {
		t.Errorf("id %q, want that of the request", got)
	}
	for _, bad := range []string{"a b", strings.Repeat("x", 129), "a\u00e9"} {
		if got := f.do(t, "alice", "GET", "/adapters", "", "X-Request-Id", bad).header.Get("X-Request-Id"); got == bad || got == "" {
			t.Errorf("id %q for %q, want a new one", got, bad)
		}
	}
	if !strings.Contains(f.logged(), "request_id=abc-1") {
		t.Errorf("the log lacks the id:\n%s", f.logged())
	}
}

func TestErrorsOfTheServerAreNotShown(t *testing.T) {
	f := newFixture(t)
	f.store.Fail(errSecret)
	got := f.must(t, http.StatusInternalServerError, "alice", "GET", "/adapters", "")
	if p := got.problem(t); p.Detail != "internal error" || strings.Contains(got.body, "secret") {
		t.Errorf("answer %s", got.body)
	}
	if log := f.logged(); !strings.Contains(log, "secret place") || !strings.Contains(log, "level=ERROR") {
		t.Errorf("the log does not say what happened:\n%s", log)
	}
}

// TestUnreadableRecord: whoever asks is told what is wrong, and an administrator
// can delete it and make it anew.
func TestUnreadableRecord(t *testing.T) {
	f := newFixture(t)
	f.must(t, 201, "alice", "POST", "/adapters", minimal("one", ""))
	f.store.Lock("one", true)
	for _, path := range []string{"/adapters/one", "/adapters/one/status"} {
		if p := f.must(t, 500, "alice", "GET", path, "").problem(t); !strings.Contains(p.Detail, "cannot be read: it is locked by a test.") {
			t.Errorf("GET %s: %s", path, p.Detail)
		}
	}
	if got := f.must(t, 200, "alice", "GET", "/adapters", ""); got.body != "[]\n" {
		t.Errorf("listed is %s", got.body)
	}
	f.must(t, 409, "alice", "POST", "/adapters", minimal("one", ""))
	f.must(t, 409, "alice", "POST", "/adapters?dryRun=true", minimal("one", ""))
	f.must(t, 403, "alice", "DELETE", "/adapters/one", "")
	f.must(t, 412, "admin", "DELETE", "/adapters/one", "", "Roles", "mcp.admin", "If-Match", `"1"`)
	f.must(t, 204, "admin", "DELETE", "/adapters/one?dryRun=true", "", "Roles", "mcp.admin")
	f.must(t, 204, "admin", "DELETE", "/adapters/one", "", "Roles", "mcp.admin")
	f.must(t, 404, "alice", "GET", "/adapters/one", "")
	f.must(t, 201, "alice", "POST", "/adapters", minimal("one", ""))
}
