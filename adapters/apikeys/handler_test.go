package apikeys

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/authn"
)

// server is the API with development identities.
type server struct {
	handler http.Handler
	ring    *Keyring
	log     bytes.Buffer
}

func newServer(t *testing.T) *server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "apikeys.json")
	s := &server{ring: NewKeyring(path, nil)}
	s.handler = Handler(Config{
		Store: NewFile(path), Authenticator: authn.Development{}, ManagerRole: "keys.manage",
		Log: slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	return s
}

// call sends a request of user with roles and returns the answer, decoded.
func (s *server) call(t *testing.T, user, roles, method, path, body string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set(authn.HeaderDevUser, user)
	r.Header.Set(authn.HeaderDevRoles, roles)
	r.Header.Set(headerRequestID, "r1")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	var decoded map[string]any
	if strings.HasPrefix(w.Body.String(), "{") {
		if err := json.Unmarshal(w.Body.Bytes(), &decoded); err != nil {
			t.Fatal(err)
		}
	}
	if w.Code >= 400 && (w.Header().Get("Content-Type") != "application/problem+json" || decoded["requestId"] != "r1") {
		t.Errorf("%s %s: answer %v %s", method, path, w.Header(), w.Body)
	}
	return w, decoded
}

func TestKeyIsMadeShownOnceAndRevoked(t *testing.T) {
	s := newServer(t)
	w, made := s.call(t, "root", "mcp.admin", http.MethodPost, "/apikeys", `{"name":"ci","roles":["a","mcp.admin"]}`)
	text, _ := made["key"].(string)
	id, _ := made["id"].(string)
	if w.Code != 201 || w.Header().Get("Location") != "/apikeys/"+id || w.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(text, "mk_"+id+"_") {
		t.Fatalf("answer %d %v %s", w.Code, w.Header(), w.Body)
	}
	p, err := s.ring.CheckKey(text)
	if err != nil || !p.Has("mcp.admin") || made["createdBy"] != "root" {
		t.Errorf("principal %+v, error %v, key %v", p, err, made)
	}
	secret := text[len(text)-secretLength:]
	for _, path := range []string{"/apikeys", "/apikeys/" + id} {
		w, _ := s.call(t, "root", "mcp.admin", http.MethodGet, path, "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), id) || strings.Contains(w.Body.String(), secret) || strings.Contains(w.Body.String(), "hash") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if strings.Contains(s.log.String(), secret) || !strings.Contains(s.log.String(), id) {
		t.Errorf("log %s", s.log.String())
	}
	if w, _ := s.call(t, "root", "mcp.admin", http.MethodDelete, "/apikeys/"+id, ""); w.Code != 204 {
		t.Errorf("revoking: %d", w.Code)
	}
	if _, err := s.ring.CheckKey(text); err == nil {
		t.Error("a revoked key is accepted")
	}
	if w, _ := s.call(t, "root", "mcp.admin", http.MethodDelete, "/apikeys/"+id, ""); w.Code != 404 {
		t.Errorf("revoking again: %d", w.Code)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	s := newServer(t)
	_, made := s.call(t, "root", "mcp.admin", http.MethodPost, "/apikeys", `{"name":"of root"}`)
	rootKey, _ := made["id"].(string)
	_, made = s.call(t, "mia", "keys.manage,a", http.MethodPost, "/apikeys", `{"name":"of mia","roles":["a"]}`)
	miaKey, _ := made["id"].(string)
	for _, c := range []struct {
		user, roles, method, path, body string
		want                            int
	}{
		{"ann", "", http.MethodGet, "/apikeys", "", 403},
		{"ann", "Mcp.Admin", http.MethodPost, "/apikeys", `{"name":"x"}`, 403},
		{"ann", "a", http.MethodDelete, "/apikeys/" + rootKey, "", 403},
		{"mia", "keys.manage,a", http.MethodPost, "/apikeys", `{"name":"x","roles":["a","b"]}`, 403},
		{"mia", "keys.manage,a", http.MethodPost, "/apikeys", `{"name":"x","roles":["mcp.admin"]}`, 403},
		{"mia", "keys.manage", http.MethodGet, "/apikeys/" + rootKey, "", 404},
		{"mia", "keys.manage", http.MethodDelete, "/apikeys/" + rootKey, "", 404},
		{"mia", "keys.manage", http.MethodGet, "/apikeys/" + miaKey, "", 200},
		{"root", "mcp.admin", http.MethodDelete, "/apikeys/" + miaKey, "", 204},
		{"root", "mcp.admin", http.MethodPut, "/apikeys/" + rootKey, `{}`, 405},
		{"root", "mcp.admin", http.MethodDelete, "/apikeys", "", 405},
		{"root", "mcp.admin", http.MethodGet, "/other", "", 404},
	} {
		if w, _ := s.call(t, c.user, c.roles, c.method, c.path, c.body); w.Code != c.want {
			t.Errorf("%s (%s) %s %s: %d, want %d: %s", c.user, c.roles, c.method, c.path, w.Code, c.want, w.Body)
		}
	}
	if w, _ := s.call(t, "mia", "keys.manage", http.MethodGet, "/apikeys", ""); strings.TrimSpace(w.Body.String()) != "[]" {
		t.Errorf("mia's list: %s", w.Body)
	}
}

func TestRequestsAreJudged(t *testing.T) {
	s := newServer(t)
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for body, want := range map[string]string{
		`{"name":"a","expiresAt":"` + later + `"}`:             "",
		`{"name":"a","expiresAt":"2001-01-01T00:00:00Z"}`:      "#/expiresAt",
		`{"name":"a","expiresAt":"9000-01-01T00:00:00Z"}`:      "#/expiresAt",
		`{"name":"a","expiresAt":"soon"}`:                      "body",
		`{"roles":["a"]}`:                                      "#/name",
		`{"name":"a\u0000"}`:                                   "#/name",
		`{"name":"a","roles":["x","x"]}`:                       "#/roles/1",
		`{"name":"a","roles":[""]}`:                            "#/roles/0",
		`{"name":"a","roles":"x"}`:                             "body",
		`{"name":"a","name":"b"}`:                              "body",
		`{"Name":"a"}`:                                         "body",
		`{"name":"a","id":"x"}`:                                "body",
		`[]`:                                                   "body",
		`{"name":"a"}{}`:                                       "body",
		`{"name":"` + strings.Repeat("a", maxBody) + `"}`:      "larger",
		`{"name":"` + strings.Repeat("a", maxName+1) + `"}`:    "#/name",
		`{"name":"` + strings.Repeat("\u00e5", maxName) + `"}`: "",
	} {
		w, _ := s.call(t, "root", "mcp.admin", http.MethodPost, "/apikeys", body)
		if want == "" && w.Code != 201 || want != "" && (w.Code < 400 || !strings.Contains(w.Body.String(), want)) {
			t.Errorf("%.80s: %d %s, want %q", body, w.Code, w.Body, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/apikeys", strings.NewReader(`{"name":"a"}`))
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != 415 {
		t.Errorf("without a content type: %d", w.Code)
	}
}

func TestNobodyIsRefusedFirst(t *testing.T) {
	s := newServer(t)
	r := httptest.NewRequest(http.MethodPatch, "/apikeys", nil)
	r.Header["X-Dev-Userid"] = []string{"a", "b"}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != 401 || w.Header().Get("Www-Authenticate") == "" {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
}
