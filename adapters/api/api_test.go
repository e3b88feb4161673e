package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gateway is the name that the tests' API is known by.
const gateway = "gateway.example"

// refusal is an error of an Authenticator about credentials.
type refusal struct{ challenge string }

func (refusal) Error() string       { return "Log in first." }
func (r refusal) Challenge() string { return r.challenge }
func (refusal) Status() int         { return http.StatusUnauthorized }

// headerUser authenticates by User and Roles headers.
type headerUser struct{}

func (headerUser) Authenticate(_ context.Context, h http.Header) (adapters.Principal, error) {
	switch user := h.Get("User"); user {
	case "":
		return adapters.Principal{}, refusal{`Bearer realm="test"`}
	case "nobody":
		return adapters.Principal{}, nil
	case "unknown":
		return adapters.Principal{}, errors.New("the issuer at 10.0.0.1 does not answer")
	default:
		return adapters.Principal{Subject: user, Roles: strings.Fields(h.Get("Roles"))}, nil
	}
}

// fixture is an API with fakes behind it.
type fixture struct {
	store    *adapterstest.Store
	deployer *adapterstest.Deployer
	service  *adapters.Service
	handler  http.Handler
	contract *contract

	mu  sync.Mutex
	log bytes.Buffer
}

// Write implements io.Writer, for the log.
func (f *fixture) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(p)
}

func (f *fixture) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

func newFixture(t *testing.T, change ...func(*api.Config)) *fixture {
	t.Helper()
	f := &fixture{store: &adapterstest.Store{}, deployer: &adapterstest.Deployer{}, contract: newContract(t)}
	f.service = adapters.NewService(adapters.ServiceConfig{
		Store: f.store, Deployer: f.deployer, Check: api.LaunchCheck(launch.URLPolicy{}),
	})
	cfg := api.Config{
		Service:        f.service,
		Authenticator:  headerUser{},
		Log:            slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})),
		AllowedHosts:   []string{gateway},
		AllowedOrigins: []string{"https://" + gateway},
	}
	for _, c := range change {
		c(&cfg)
	}
	f.handler = api.New(cfg)
	return f
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is the body of an answer that is a problem document.
type problem struct {
	Title, Detail string
	Status        int
	RequestID     string
	Errors        []struct{ Pointer, Parameter, Detail string }
}

func (a answer) problem(t *testing.T) problem {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d, content type %q, body %s: want a problem", a.status, got, a.body)
	}
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != a.status || p.Title == "" || p.Detail == "" || p.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("status %d, problem %+v", a.status, p)
	}
	return p
}

func (p problem) pointers() []string {
	pointers := []string{}
	for _, e := range p.Errors {
		pointers = append(pointers, e.Pointer+e.Parameter)
	}
	slices.Sort(pointers)
	return pointers
}

func (a answer) adapter(t *testing.T) adapters.Adapter {
	t.Helper()
	var got adapters.Adapter
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("status %d: %v: %s", a.status, err, a.body)
	}
	return got
}

// do sends a request as user; header holds names and values in turn. Bodies go
// as application/json unless header says otherwise. The answer is held against
// the OpenAPI document.
func (f *fixture) do(t *testing.T, user, method, path, body string, header ...string) answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, reader)
	r.Host = gateway
	if user != "" {
		r.Header.Set("User", user)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		switch {
		case header[i] == "Host":
			r.Host = header[i+1]
		case header[i+1] == "":
			r.Header.Del(header[i])
		default:
			r.Header.Set(header[i], header[i+1])
		}
	}
	recorder := httptest.NewRecorder()
	f.handler.ServeHTTP(recorder, r)
	result := recorder.Result()
	text, err := io.ReadAll(result.Body)
	if err != nil {
		t.Fatal(err)
	}
	f.contract.check(t, r, result.StatusCode, result.Header, text)
	return answer{result.StatusCode, result.Header, string(text)}
}

// must is do, where the status is known.
func (f *fixture) must(t *testing.T, status int, user, method, path, body string, header ...string) answer {
	t.Helper()
	got := f.do(t, user, method, path, body, header...)
	if got.status != status {
		t.Fatalf("%s %s as %q: status %d, want %d: %s", method, path, user, got.status, status, got.body)
	}
	return got
}

// minimal is the JSON of an adapter with no more than it needs, and members
// that are added: `,"description":"x"`.
func minimal(name, more string) string {
	return `{"name":"` + name + `","imageName":"mcp-proxy","imageVersion":"1.0.0","environmentVariables":{"MCP_COMMAND":"npx"}` + more + `}`
}
