package jwks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const issuerURL = "https://idp.example"

// fakeIssuer answers in place of the network, so that hours pass in no time.
type fakeIssuer struct {
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	err     error
	body    string
	fetches int
	// slow is how long the keys take.
	slow time.Duration
}

// RoundTrip implements http.RoundTripper.
func (f *fakeIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := `{"issuer":"` + issuerURL + `","jwks_uri":"` + issuerURL + `/keys"}`
	if f.err != nil {
		f.fetches++
		return nil, f.err
	}
	if r.URL.Path == "/keys" {
		f.fetches++
		time.Sleep(f.slow)
		text, err := json.Marshal(jose.JSONWebKeySet{Keys: f.keys})
		if err != nil {
			return nil, err
		}
		if answer = string(text); f.body != "" {
			answer = f.body
		}
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (f *fakeIssuer) set(err error, ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.keys = err, []jose.JSONWebKey{}
	for _, id := range ids {
		f.keys = append(f.keys, jose.JSONWebKey{Key: &testKey.PublicKey, KeyID: id})
	}
}

func (f *fakeIssuer) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fetches
}

var testKey = func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}()

// inBubble runs test with a Source of f, in time that is not real.
func inBubble(t *testing.T, f *fakeIssuer, test func(t *testing.T, s *Source)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Issuer: issuerURL, Client: &http.Client{Transport: f}, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		test(t, s)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func find(t *testing.T, s *Source, id string) int {
	t.Helper()
	keys, err := s.Find(t.Context(), "ES256", id)
	if err != nil {
		t.Errorf("finding %s: %v", id, err)
	}
	return len(keys)
}

func TestKeysAreRefreshed(t *testing.T) {
	f := &fakeIssuer{}
	f.set(nil, "a")
	inBubble(t, f, func(t *testing.T, s *Source) {
		if find(t, s, "a") != 1 {
			t.Error("no first key")
		}
		f.set(nil, "b")
		time.Sleep(DefaultRefresh - time.Second)
		if s.Set().Find("ES256", "a") == nil {
			t.Error("the keys were fetched too early")
		}
		time.Sleep(2 * time.Second)
		if s.Set().Find("ES256", "a") != nil || s.Set().Find("ES256", "b") == nil {
			t.Error("the key that the issuer took back is still there")
		}
		f.set(nil)
		time.Sleep(DefaultRefresh)
		if s.Set().Len() != 0 {
			t.Error("the issuer took back all its keys, and one is still there")
		}
	})
}

func TestKeysAreKeptWhileTheIssuerIsDown(t *testing.T) {
	f := &fakeIssuer{}
	f.set(nil, "a")
	inBubble(t, f, func(t *testing.T, s *Source) {
		find(t, s, "a")
		f.set(errors.New("down"))
		time.Sleep(24 * time.Hour)
		if find(t, s, "a") != 1 {
			t.Error("the key is gone")
		}
		if _, err := s.Find(t.Context(), "ES256", "b"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("an unknown key: %v", err)
		}
		if n := f.count(); n < 1000 || n > 1700 {
			t.Errorf("%d fetches in a day of failures, want about one a minute", n)
		}
		f.set(nil, "b")
		time.Sleep(lastRetry + time.Second)
		if s.Set().Find("ES256", "b") == nil {
			t.Error("the issuer is back, and its key is not here")
		}
	})
}

func TestKeysAreKeptWhileTheIssuerTalksNonsense(t *testing.T) {
	f := &fakeIssuer{}
	f.set(nil, "a")
	inBubble(t, f, func(t *testing.T, s *Source) {
		find(t, s, "a")
		f.mu.Lock()
		f.body = "<html>maintenance</html>"
		f.mu.Unlock()
		time.Sleep(time.Hour)
		if s.Set().Find("ES256", "a") == nil {
			t.Error("the key is gone")
		}
	})
}

func TestDemandsAreCoalescedAndBounded(t *testing.T) {
	f := &fakeIssuer{slow: time.Second}
	f.set(nil, "a")
	inBubble(t, f, func(t *testing.T, s *Source) {
		find(t, s, "a")
		for range 100 {
			go func() {
				if find(t, s, "nobody's") != 0 {
					t.Error("a key nobody has")
				}
			}()
		}
		synctest.Wait()
		time.Sleep(3 * time.Second)
		if n := f.count(); n != 2 {
			t.Errorf("100 at once made %d fetches, want 1 beside the first", n)
		}
		before := f.count()
		for range 60 {
			find(t, s, "nobody's")
			time.Sleep(time.Second)
		}
		if n := f.count() - before; n < 6 || n > 10 {
			t.Errorf("a minute of unknown keys made %d fetches", n)
		}
		// A key that is new is found at once, all the same, after a quiet time.
		time.Sleep(time.Minute)
		f.set(nil, "a", "new")
		if find(t, s, "new") != 1 {
			t.Error("the new key is not found")
		}
	})
}

func TestWaitingForKeysEnds(t *testing.T) {
	f := &fakeIssuer{slow: time.Hour}
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Issuer: issuerURL, Client: &http.Client{Transport: f}, Log: slog.New(slog.DiscardHandler)})
		start := time.Now()
		if _, err := s.Find(t.Context(), "ES256", "a"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != patience {
			t.Errorf("waited %v", took)
		}
	})
}

func TestParse(t *testing.T) {
	for name, text := range map[string]string{
		"no keys": `{}`, "null": `{"keys":null}`, "not an object": `[]`, "twice": `{"keys":[],"keys":[]}`,
		"text": `x`, "empty": ``, "many": `{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`,
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	set, err := Parse([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"OKP","crv":"X448","x":"AA"},{"kty":"RSA","n":"AQAB","e":"AQAB"},7,{"kty":"new"}]}`))
	if err != nil || set.Len() != 0 {
		t.Errorf("keys of no use: %v, error %v", set, err)
	}
}

func TestCheckURL(t *testing.T) {
	for url, want := range map[string]bool{
		"https://a.example": true, "https://a.example/x?y=1": true, "http://localhost:8080/x": true, "http://127.0.0.1": true,
		"http://[::1]:80": true, "http://a.example": false, "ftp://a.example": false, "https:a": false, "https://u:p@a.example": false,
		"https://a#f": false, "": false, "file:///etc/passwd": false, "http://localhost.evil.example": false, "http://127.0.0.1.evil.example": false,
	} {
		if err := CheckURL(url); (err == nil) != want {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["AA"]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Parse(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Parse(again)
		if err != nil || !set.equal(second) {
			t.Errorf("read %s again: %v, error %v", again, second, err)
		}
	})
}

// TestForNamesOneAlgorithm: a key that suits several is there for each, and for
// none that is not allowed.
func TestForNamesOneAlgorithm(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), KeyID: "r", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	named, err := set.For([]string{"ES256", "PS256", "RS256"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Keys []struct{ Alg, Kid string } }
	if err := json.Unmarshal(named, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Keys) != 2 || got.Keys[0].Alg != "PS256" || got.Keys[1].Alg != "RS256" || got.Keys[1].Kid != "r" {
		t.Errorf("%s", named)
	}
}
