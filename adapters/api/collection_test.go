package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

func names(body string) string {
	var names []string
	for _, part := range strings.Split(body, `"name":"`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestListIsSelectedByLabels(t *testing.T) {
	f := newFixture(t)
	for name, labels := range map[string]string{
		"a": `{"env":"prod","tier":"web"}`, "b": `{"env":"prod","tier":"api"}`, "c": `{"env":"test"}`, "d": `{}`, "e": `{"env":"","x.example/y":"1"}`,
	} {
		f.must(t, 201, "alice", "POST", "/adapters", minimal(name, `,"labels":`+labels))
	}
	for selector, want := range map[string]string{
		"":                        "a b c d e",
		"env=prod":                "a b",
		"env==prod,tier=web":      "a",
		"env!=prod":               "c d e",
		"env":                     "a b c e",
		"!env":                    "d",
		"! env":                   "d",
		"env in (prod, test)":     "a b c",
		"env in (prod),tier=api":  "b",
		"tier notin (web)":        "b c d e",
		"env notin (prod,test,)":  "d",
		"env=":                    "e",
		"x.example/y=1":           "e",
		" env = prod , tier=web ": "a",
	} {
		got := f.must(t, 200, "alice", "GET", "/adapters?labelSelector="+strings.NewReplacer(" ", "%20", "!", "%21").Replace(selector), "")
		if names(got.body) != want {
			t.Errorf("%q: %s, want %s", selector, names(got.body), want)
		}
	}
	for _, selector := range []string{"=a", "a b", "a in b", "a in (b", "a==b==c", "a,,b", "a,", ",a", "!", "a in (b)c", "(a)", strings.Repeat("x", 5000)} {
		got := f.must(t, 400, "alice", "GET", "/adapters?labelSelector="+strings.ReplaceAll(selector, " ", "%20"), "").problem(t)
		if diff := cmp.Diff([]string{"labelSelector"}, got.pointers()); diff != "" {
			t.Errorf("%q: %s", selector, diff)
		}
	}
}

// TestListIsPaged walks through a list while it changes: what is there all the
// time is seen once, and nobody sees more than without pages.
func TestListIsPaged(t *testing.T) {
	f := newFixture(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("a%d", i)
		f.must(t, 201, "alice", "POST", "/adapters", minimal(name, ""))
		f.must(t, 201, "bob", "POST", "/adapters", minimal("b"+name, ""))
		if i != 2 {
			want = append(want, name)
		}
	}
	f.must(t, 201, "bob", "POST", "/adapters", minimal("a0b", ""))
	var got []string
	for path, pages := "/adapters?limit=2", 0; path != ""; pages++ {
		answer := f.must(t, 200, "alice", "GET", path, "")
		got = append(got, strings.Fields(names(answer.body))...)
		link, _, _ := strings.Cut(strings.TrimPrefix(answer.header.Get("Link"), "<"), ">")
		path = link
		if pages == 0 {
			f.must(t, 204, "alice", "DELETE", "/adapters/a2", "")
			f.must(t, 204, "alice", "DELETE", "/adapters/a1", "")
		}
		if pages > 10 {
			t.Fatal("it has no end")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "continue=%2F", "continue=QUE"} {
		f.must(t, 400, "alice", "GET", "/adapters?"+query, "")
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	f := newFixture(t)
	tried := f.must(t, 200, "alice", "POST", "/adapters?dryRun=true&wait=30s", minimal("one", `,"description":"x"`))
	if a := tried.adapter(t); a.Description != "x" || a.CreatedBy != "alice" || tried.header.Get("ETag") != "" || tried.header.Get("Location") != "" {
		t.Errorf("answer %v %s", tried.header, tried.body)
	}
	f.must(t, 404, "alice", "GET", "/adapters/one", "")
	f.must(t, 400, "alice", "POST", "/adapters?dryRun=true", minimal("One", ""))
	f.must(t, 400, "alice", "POST", "/adapters?dryRun=perhaps", minimal("one", ""))
	f.must(t, 403, "alice", "POST", "/adapters?dryRun=1", minimal("one", `,"useWorkloadIdentity":true`))
	created := f.must(t, 201, "alice", "POST", "/adapters?dryRun=false", minimal("one", ""))
	f.must(t, 409, "alice", "POST", "/adapters?dryRun=true", minimal("one", ""))

	changed := minimal("one", `,"replicaCount":3`)
	for _, request := range []string{"PUT", "PATCH"} {
		got := f.must(t, 200, "alice", request, "/adapters/one?dryRun=true", changed)
		if got.adapter(t).ReplicaCount != 3 || got.header.Get("ETag") != "" {
			t.Errorf("%s: %v %s", request, got.header, got.body)
		}
		f.must(t, 412, "alice", request, "/adapters/one?dryRun=true", changed, "If-Match", `"other"`)
		f.must(t, 403, "bob", request, "/adapters/one?dryRun=true", changed)
	}
	f.must(t, 204, "alice", "DELETE", "/adapters/one?dryRun=true", "")
	f.must(t, 412, "alice", "DELETE", "/adapters/one?dryRun=true", "", "If-Match", `"other"`)
	f.must(t, 400, "alice", "DELETE", "/adapters/one?dryRun=x", "")
	after := f.must(t, 200, "alice", "GET", "/adapters/one", "")
	if after.body != created.body || after.header.Get("ETag") != created.header.Get("ETag") {
		t.Errorf("it was changed:\n%s\n%s", created.body, after.body)
	}
}

func TestRequestSentAgain(t *testing.T) {
	f := newFixture(t)
	key := []string{"Idempotency-Key", "k 1"}
	body := minimal("one", "")
	first := f.must(t, 201, "alice", "POST", "/adapters", body, key...)
	again := f.must(t, 201, "alice", "POST", "/adapters", body, key...)
	if first.body != again.body || again.header.Get("Location") != "/adapters/one" || again.header.Get("ETag") != first.header.Get("ETag") {
		t.Errorf("another answer:\n%s\n%s", first.body, again.body)
	}
	// The order of members is no difference, what they say is.
	f.must(t, 201, "alice", "POST", "/adapters", strings.Replace(body, `{"name":"one",`, `{"description":"","name":"one",`, 1), key...)
	f.must(t, 422, "alice", "POST", "/adapters", minimal("one", `,"replicaCount":2`), key...)
	f.must(t, 409, "alice", "POST", "/adapters", body, "Idempotency-Key", "k 2")
	f.must(t, 409, "alice", "POST", "/adapters", body)
	f.must(t, 409, "bob", "POST", "/adapters", body, key...)
	f.must(t, 409, "root", "POST", "/adapters", body, append(key, "Roles", adapters.AdminRole)...)
	f.must(t, 201, "alice", "POST", "/adapters", minimal("two", ""), key...)
	for _, bad := range []string{strings.Repeat("k", 256), "a\tb", "ä"} {
		f.must(t, 400, "alice", "POST", "/adapters", minimal("three", ""), "Idempotency-Key", bad)
	}
	// A change in between shows, and the request still counts as done.
	f.must(t, 200, "alice", "PATCH", "/adapters/one", `{"replicaCount":2}`)
	if got := f.must(t, 201, "alice", "POST", "/adapters", body, key...).adapter(t); got.ReplicaCount != 2 {
		t.Errorf("replicas: %d", got.ReplicaCount)
	}
}
