package authn

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExchangeAtTheIssuer speaks RFC 8693 with an issuer that answers as the
// test says.
func TestExchangeAtTheIssuer(t *testing.T) {
	var form, user, secret string
	answer := func(w http.ResponseWriter) {}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		form = r.PostForm.Encode()
		user, secret, _ = r.BasicAuth()
		answer(w)
	}))
	defer server.Close()
	dir := t.TempDir()
	file, settings := filepath.Join(dir, "secret"), filepath.Join(dir, "auth.yaml")
	text := "issuers:\n- url: https://login.invalid\n  audiences: [a]\n  tokenExchange: {clientID: 'gate way', clientSecretFile: " + file + ", tokenURL: " + server.URL + "}\n- url: https://other.invalid\n  audiences: [a]\n"
	for path, text := range map[string]string{file: "pass:word\n", settings: text} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(1_800_000_000, 0)
	g, err := Open(Options{File: settings, PublicURL: "https://gw.example", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil || !g.Exchanges() {
		t.Fatal(g, err)
	}
	reply := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // a test server
		}
	}
	exchange := func(from, token string) (Exchanged, error) {
		return g.Exchange(t.Context(), from, token, Target{Audience: "b", Resource: "https://b.example", Scopes: []string{"s", "t"}})
	}

	answer = reply(200, `{"access_token":"new","token_type":"bearer","expires_in":300}`)
	got, err := exchange("https://login.invalid", "old")
	if err != nil || got.Token != "new" || !got.Expires.Equal(now.Add(5*time.Minute)) {
		t.Errorf("%+v, error %v", got, err)
	}
	if want := "audience=b&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&resource=https%3A%2F%2Fb.example&scope=s+t&subject_token=old&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"; form != want || user != "gate+way" || secret != "pass%3Aword" {
		t.Errorf("asked as %s:%s with %s", user, secret, form)
	}
	for _, c := range []struct {
		from, token string
		answer      func(http.ResponseWriter)
		want        string
	}{
		{"https://other.invalid", "old", nil, ErrNoExchange.Error()},
		{"https://login.invalid", "", nil, ErrNoExchange.Error()},
		{"https://login.invalid", "old", reply(400, `{"error":"invalid_target","error_description":"old"}`), "refused the exchange: invalid_target"},
		{"https://login.invalid", "old", reply(401, `{"error":"invalid_client"}`), "invalid_client"},
		{"https://login.invalid", "old", reply(500, `oops`), "answered 500"},
		{"https://login.invalid", "old", reply(302, ``), "answered 302"},
		{"https://login.invalid", "old", reply(200, `{"access_token":"old","token_type":"Bearer"}`), "the same"},
		{"https://login.invalid", "old", reply(200, `{"access_token":"a\r\nb","token_type":"Bearer"}`), "no bearer token"},
		{"https://login.invalid", "old", reply(200, `{"access_token":"a","token_type":"DPoP"}`), "no bearer token"},
	} {
		answer = c.answer
		_, err := exchange(c.from, c.token)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "pass") {
			t.Errorf("error %v, want %s", err, c.want)
		}
		var refused *ExchangeRefused
		if errors.As(err, &refused) != (c.want == "refused the exchange: invalid_target") {
			t.Errorf("%v: whose fault it is", err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := exchange("https://login.invalid", "old"); err == nil {
		t.Error("no error without a secret")
	}
}
