package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/api"
)

func TestStatus(t *testing.T) {
	f := newFixture(t)
	a := f.must(t, 201, "alice", "POST", "/adapters", minimal("one", "")).adapter(t)
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	f.deployer.SetInstances(a.ID, adapters.Instance{
		ID: "x", Address: "/run/secret.sock", State: adapters.InstanceFailed, Reason: "CommandExited", Message: "It ended.", Since: since,
	})
	got := f.must(t, 200, "alice", "GET", "/adapters/one/status", "")
	var status adapters.Status
	if err := json.Unmarshal([]byte(got.body), &status); err != nil {
		t.Fatal(err)
	}
	if status.ReplicaStatus != "Degraded: 0 of 1 replicas ready; instance 0: CommandExited: It ended." || status.Conditions[0].Reason != "CommandExited" {
		t.Errorf("status %+v", status)
	}
	if strings.Contains(got.body, "secret.sock") || !strings.Contains(got.body, `"since":"2026-01-02T02:04:05Z"`) {
		t.Errorf("body %s", got.body)
	}
}

func TestWait(t *testing.T) {
	f := newFixture(t, func(cfg *api.Config) { cfg.MaxWait = time.Millisecond })
	f.must(t, 201, "alice", "POST", "/adapters?wait=30s", minimal("bounded", ""))
	f.must(t, 201, "alice", "POST", "/adapters?wait=0s", minimal("not", ""))
	for _, bad := range []string{"30", "-1s", "x"} {
		p := f.must(t, 400, "alice", "POST", "/adapters?wait="+bad, minimal("bad", "")).problem(t)
		if d := cmp.Diff([]string{"wait"}, p.pointers()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	f.must(t, 404, "alice", "GET", "/adapters/bad", "")

	f = newFixture(t)
	changes := f.store.Changes(t.Context())
	go func() {
		<-changes
		all, err := f.store.List(context.Background())
		if err != nil || len(all) != 1 {
			return
		}
		f.deployer.SetInstances(all[0].ID, adapters.Instance{State: adapters.InstanceReady, TemplateHash: all[0].TemplateHash()})
	}()
	f.must(t, 201, "alice", "POST", "/adapters?wait=1m", minimal("one", ""))
}

func TestLogs(t *testing.T) {
	f := newFixture(t)
	a := f.must(t, 201, "alice", "POST", "/adapters", minimal("one", "")).adapter(t)
	f.deployer.AppendLog(a.ID, 0, "one\ntwo\nthree\n")
	f.deployer.AppendLog(a.ID, 1, "")
	for query, want := range map[string]string{
		"":                    "one\ntwo\nthree\n",
		"?lines=2":            "two\nthree\n",
		"?instance=0&lines=1": "three\n",
		"?instance=1":         "",
		"?follow=false":       "one\ntwo\nthree\n",
	} {
		got := f.must(t, 200, "alice", "GET", "/adapters/one/logs"+query, "")
		if got.body != want || got.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %q, %s", query, got.body, got.header.Get("Content-Type"))
		}
	}
	f.must(t, 200, "alice", "HEAD", "/adapters/one/logs?follow=true", "")
	p := f.must(t, 404, "alice", "GET", "/adapters/one/logs?instance=2", "").problem(t)
	if !strings.Contains(p.Detail, "instance 2") {
		t.Errorf("detail %q", p.Detail)
	}
	p = f.must(t, 404, "alice", "GET", "/adapters/one/logs?previous=true", "").problem(t)
	if !strings.Contains(p.Detail, "earlier server") {
		t.Errorf("detail %q", p.Detail)
	}
	for _, bad := range []string{"instance=-1", "instance=x", "lines=0", "lines=10001", "follow=maybe", "previous=2", "previous=1&follow=1"} {
		name, _, _ := strings.Cut(bad, "=")
		p := f.must(t, 400, "alice", "GET", "/adapters/one/logs?"+bad, "").problem(t)
		if d := cmp.Diff([]string{name}, p.pointers()); d != "" {
			t.Errorf("%s (-want +got):\n%s", bad, d)
		}
	}
}

// TestLogsFollow needs a server, since it reads an answer that goes on.
func TestLogsFollow(t *testing.T) {
	f := newFixture(t)
	a := f.must(t, 201, "alice", "POST", "/adapters", minimal("one", "")).adapter(t)
	f.deployer.SetInstances(a.ID, adapters.Instance{State: adapters.InstanceStarting})
	f.deployer.AppendLog(a.ID, 0, "")
	server := httptest.NewServer(f.handler)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/adapters/one/logs?follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = gateway
	r.Header.Set("User", "alice")
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d", response.StatusCode)
	}
	lines := bufio.NewReader(response.Body)
	for _, want := range []string{"first\n", "second\n"} {
		f.deployer.AppendLog(a.ID, 0, want)
		if got, err := lines.ReadString('\n'); got != want {
			t.Fatalf("line %q, %v, want %q", got, err, want)
		}
	}
}

func TestMCPFallback(t *testing.T) {
	f := newFixture(t)
	a := f.must(t, 201, "alice", "POST", "/adapters", minimal("one", "")).adapter(t)
	f.deployer.SetInstances(a.ID, adapters.Instance{State: adapters.InstanceFailed, Reason: "CommandNotFound", Message: "secret words"})
	type rpc struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	for _, test := range []struct {
		user, method, path, body string
		status, code             int
		id, message              string
	}{
		{"alice", "POST", "one/mcp", `{"jsonrpc":"2.0","id":7,"method":"x"}`, 503, -32603, "7", "CommandNotFound"},
		{"alice", "POST", "one/mcp", `{"jsonrpc":"2.0","id":"a\u00e9","method":"x"}`, 503, -32603, `"a\u00e9"`, "/adapters/one/status"},
		{"alice", "POST", "one/mcp", `{"id":{},"method":"x"}`, 503, -32603, "null", ""},
		{"alice", "POST", "one/mcp", `{"id":1,"id":2}`, 503, -32603, "null", ""},
		{"alice", "POST", "one/mcp", `[{"id":1}]`, 503, -32603, "null", ""},
		{"alice", "POST", "one/mcp", `{"id":1`, 503, -32603, "null", ""},
		{"alice", "GET", "one/mcp", "", 503, -32603, "null", ""},
		{"alice", "DELETE", "one/mcp", "", 503, -32603, "null", ""},
		{"alice", "POST", "none/mcp", `{"id":1}`, 404, -32600, "1", ""},
		{"alice", "POST", "one/mcp/more", `{"id":1}`, 404, -32600, "1", "/adapters/one/mcp"},
		{"alice", "POST", "one/mcp/mcp", `{"id":1}`, 404, -32600, "1", "/adapters/one/mcp"},
		{"bob", "POST", "one/mcp", `{"id":1}`, 403, -32600, "1", ""},
		{"", "POST", "one/mcp", `{"id":1}`, 401, -32600, "null", "Log in"},
		{"", "POST", "none/mcp", `{"id":1}`, 401, -32600, "null", "Log in"},
	} {
		got := f.must(t, test.status, test.user, test.method, "/adapters/"+test.path, test.body)
		var answer rpc
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
			t.Fatalf("%v: %s", err, got.body)
		}
		if answer.JSONRPC != "2.0" || answer.Error.Code != test.code || string(answer.ID) != test.id || !strings.Contains(answer.Error.Message, test.message) {
			t.Errorf("%+v: %s", test, got.body)
		}
		if strings.Contains(got.body, "secret") || (got.header.Get("Retry-After") != "") != (test.status == 503) {
			t.Errorf("%+v: %v %s", test, got.header, got.body)
		}
	}
}

func TestHealth(t *testing.T) {
	var notReady error
	f := newFixture(t, func(cfg *api.Config) { cfg.Ready = func() error { return notReady } })
	f.must(t, 200, "", "GET", "/healthz", "")
	f.must(t, 200, "", "HEAD", "/readyz", "")
	notReady = errSecret
	f.must(t, 200, "", "GET", "/healthz", "")
	if got := f.must(t, 503, "", "GET", "/readyz", ""); strings.Contains(got.body, "secret") {
		t.Errorf("body %s", got.body)
	}
	f.must(t, 405, "", "POST", "/healthz", "")
}

func TestPanicIsAnInternalError(t *testing.T) {
	f := newFixture(t, func(cfg *api.Config) { cfg.Ready = func() error { panic("secret") } })
	got := f.must(t, 500, "", "GET", "/readyz?x", "", "Host", "probe")
	if strings.Contains(got.body, "secret") || !strings.Contains(f.logged(), "panic: secret") {
		t.Errorf("body %s, log %s", got.body, f.logged())
	}
}
