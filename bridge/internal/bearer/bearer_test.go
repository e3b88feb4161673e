package bearer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/bridge/internal/bearer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	f := bearer.NewFile(path)
	if _, err := f.Token(t.Context()); err == nil {
		t.Error("a file that is not there has a token")
	}
	for _, tt := range []struct{ text, want string }{
		{"one\n", "one"}, {"longer", "longer"}, {"", ""}, {"two words", ""}, {"tab\tbed", ""}, {"é", ""}, {strings.Repeat("x", 40<<10), ""}, {"last", "last"},
	} {
		write(t, path, tt.text)
		got, err := f.Token(t.Context())
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%.20q gives %.20q, %v", tt.text, got, err)
		}
		if err != nil && len(tt.text) > 3 && strings.Contains(err.Error(), tt.text) {
			t.Errorf("the error shows the token: %v", err)
		}
	}
	if f.Refused("last") {
		t.Error("there is no other token, and yet it says so")
	}
	// As an updated mount has it: the same size, and perhaps the same time.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "next")
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if !f.Refused("last") {
		t.Error("the new token is not seen")
	}
	if got, err := f.Token(t.Context()); got != "next" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// sts is an authorization server that gives numbered tokens.
type sts struct {
	*httptest.Server
	mu     sync.Mutex
	asked  int
	status int
	answer string // instead of a token
	form   map[string]string
	path   string
}

func startSTS(t *testing.T) *sts {
	t.Helper()
	s := &sts{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.path, s.form = r.URL.Path, map[string]string{}
		for name := range r.PostForm {
			s.form[name] = r.PostForm.Get(name)
		}
		if s.status != 0 {
			w.WriteHeader(s.status)
		}
		if s.answer != "" {
			_, _ = w.Write([]byte(s.answer))
			return
		}
		_, _ = fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"t%d"}`, s.asked)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sts) set(status int, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.answer = status, answer
}

func (s *sts) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// azure is a source whose clock the test moves.
func azure(t *testing.T, s *sts) (a *bearer.Azure, forward func(time.Duration)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "assertion")
	write(t, file, "cluster.token")
	cfg := bearer.AzureFromEnvironment([]string{
		"AZURE_CLIENT_ID=client", "AZURE_TENANT_ID=tenant", "AZURE_FEDERATED_TOKEN_FILE=" + file, "AZURE_AUTHORITY_HOST=" + s.URL + "/", "OTHER=x",
	})
	now := time.Now()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	cfg.Scope, cfg.TLS, cfg.Now = "https://server.example/.default", &tls.Config{RootCAs: roots}, func() time.Time { return now }
	a, err := bearer.NewAzure(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a, func(d time.Duration) { now = now.Add(d) }
}

func want(t *testing.T, s bearer.Source, token string) {
	t.Helper()
	if got, err := s.Token(t.Context()); got != token || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, token)
	}
}

func TestAzureAsksAsRFC7523HasIt(t *testing.T) {
	s := startSTS(t)
	a, _ := azure(t, s)
	want(t, a, "t1")
	got, err := json.Marshal(s.form)
	if err != nil {
		t.Fatal(err)
	}
	if w := `{"client_assertion":"cluster.token","client_assertion_type":"urn:ietf:params:oauth:client-assertion-type:jwt-bearer",` +
		`"client_id":"client","grant_type":"client_credentials","scope":"https://server.example/.default"}`; string(got) != w || s.path != "/tenant/oauth2/v2.0/token" {
		t.Errorf("asked %s for %s", s.path, got)
	}
}

func TestAzureKeepsATokenWhileItIsGood(t *testing.T) {
	s := startSTS(t)
	a, forward := azure(t, s)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { want(t, a, "t1") })
	}
	all.Wait()
	forward(54 * time.Minute)
	want(t, a, "t1")
	if s.count() != 1 {
		t.Errorf("asked %d times", s.count())
	}
	// It is replaced before it ends, and used to its end where that fails.
	forward(2 * time.Minute)
	s.set(http.StatusServiceUnavailable, `{"error":"temporarily_unavailable"}`)
	want(t, a, "t1")
	want(t, a, "t1")
	if s.count() != 2 {
		t.Errorf("asked %d times", s.count())
	}
	s.set(0, "")
	forward(time.Minute)
	want(t, a, "t3")
	if !a.Refused("t3") || !a.Refused("t1") {
		t.Error("another token could be had")
	}
	want(t, a, "t4")
	s.set(http.StatusBadRequest, `{"error":"invalid_client","error_description":"who knows"}`)
	forward(time.Hour)
	if _, err := a.Token(t.Context()); err == nil || !strings.Contains(err.Error(), `status 400, error "invalid_client"`) || strings.Contains(err.Error(), "knows") {
		t.Errorf("got %v", err)
	}
}

func TestAzureTakesNothingElse(t *testing.T) {
	for _, text := range []string{
		"", "<html>", "{}", `{"access_token":"x","token_type":"Bearer"}`, `{"access_token":"x","token_type":"Bearer","expires_in":-1}`,
		`{"access_token":"a b","token_type":"Bearer","expires_in":1}`, `{"access_token":"x","token_type":"pop","expires_in":60}`,
		`{"access_token":"x\ny","token_type":"Bearer","expires_in":1}`, `{"error":"x","access_token":"x","token_type":"Bearer","expires_in":60}`,
	} {
		s := startSTS(t)
		s.set(0, text+" ")
		a, _ := azure(t, s)
		if got, err := a.Token(t.Context()); err == nil {
			t.Errorf("%s gives %q", text, got)
		}
	}
	s := startSTS(t)
	s.set(0, `{"access_token":"x","token_type":"bearer","expires_in":"60"}`)
	a, _ := azure(t, s)
	want(t, a, "x")
}

func TestAzureWaitsNoLongerThanItsCaller(t *testing.T) {
	s := startSTS(t)
	a, _ := azure(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Token(ctx); err == nil {
		t.Error("a token after the end")
	}
}

func TestAzureSettings(t *testing.T) {
	whole := bearer.AzureConfig{ClientID: "c", TenantID: "t", TokenFile: "f", Scope: "s"}
	if _, err := bearer.NewAzure(whole); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*bearer.AzureConfig){
		"AZURE_CLIENT_ID":            func(c *bearer.AzureConfig) { c.ClientID = "" },
		"AZURE_TENANT_ID":            func(c *bearer.AzureConfig) { c.TenantID = "" },
		"AZURE_FEDERATED_TOKEN_FILE": func(c *bearer.AzureConfig) { c.TokenFile = "" },
		"scope":                      func(c *bearer.AzureConfig) { c.Scope = "" },
		"AZURE_AUTHORITY_HOST":       func(c *bearer.AzureConfig) { c.AuthorityHost = "http://login.example" },
	} {
		cfg := whole
		change(&cfg)
		if _, err := bearer.NewAzure(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
