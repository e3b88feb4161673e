package identity

import (
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/keys"
)

// signer is a Signer at a time that the test moves.
func signer(t *testing.T) (*Signer, *keys.Ring, *time.Time) {
	t.Helper()
	dir := t.TempDir()
	if _, err := keys.Generate(dir); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open(keys.Identity, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	return New(Config{
		Ring: ring, Issuer: "https://gw.example", Now: func() time.Time { return now },
		Resource: func(adapter string) string { return "https://gw.example/adapters/" + adapter + "/mcp" },
	}), ring, &now
}

func token1(t *testing.T, s *Signer, adapter string, p adapters.Principal) string {
	t.Helper()
	text, err := s.Token(adapter, p)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var ann = adapters.Principal{Issuer: "https://login.example", Subject: "1", Name: "Ann", Roles: []string{"reader"}}

func TestTokenSaysWhoCalls(t *testing.T) {
	s, ring, now := signer(t)
	payload, keyID, err := ring.Verify(token1(t, s, "a", ann))
	if err != nil || keyID != ring.SigningKeyID() {
		t.Fatalf("key %s, error %v", keyID, err)
	}
	var got claims
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	want := claims{
		Issuer: "https://gw.example", Audience: "https://gw.example/adapters/a/mcp", Subject: "https://login.example|1",
		Name: "Ann", Roles: []string{"reader"}, IssuedAt: now.Unix(), Expires: now.Add(Lifetime).Unix(),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("claims (-want +got):\n%s", d)
	}
}

// TestTokenIsMadeOnce: the same one for the same caller, and another as soon as
// anything that it says has changed, its key, or when it has become old.
func TestTokenIsMadeOnce(t *testing.T) {
	s, _, now := signer(t)
	first := token1(t, s, "a", ann)
	other := ann
	other.Roles = []string{}
	renamed := ann
	renamed.Name = "Anna"
	for name, text := range map[string]string{
		"adapter": token1(t, s, "b", ann), "roles": token1(t, s, "a", other), "name": token1(t, s, "a", renamed),
	} {
		if text == first {
			t.Errorf("another %s has the same token", name)
		}
	}
	*now = now.Add(fresh - time.Second)
	if token1(t, s, "a", ann) != first {
		t.Error("a fresh token was made anew")
	}
	*now = now.Add(time.Second)
	second := token1(t, s, "a", ann)
	if second == first {
		t.Error("an old token was handed out")
	}
	*now = now.Add(-time.Minute)
	if token1(t, s, "a", ann) == second {
		t.Error("a token of the future was handed out")
	}
}

// rotated is a ring whose key changes.
type rotated struct {
	*keys.Ring
	key string
}

func (r *rotated) SigningKeyID() string { return r.key }

func TestNewKeySignsAtOnce(t *testing.T) {
	s, ring, _ := signer(t)
	r := &rotated{Ring: ring, key: "1"}
	s.cfg.Ring = r
	first := token1(t, s, "a", ann)
	r.key = "2"
	if token1(t, s, "a", ann) == first {
		t.Error("a token of the old key was handed out")
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"https://login.example|1": "https://login.example|1",
		"Ann Ö":                   "Ann%20%C3%96",
		"a,b%\r\n\x7f":            "a%2Cb%25%0D%0A%7F",
	} {
		got := Text(text)
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if back, err := url.PathUnescape(got); err != nil || back != text {
			t.Errorf("%q comes back as %q, error %v", text, back, err)
		}
	}
	if got := Roles([]string{"a", "b,c", "d e"}); got != "a,b%2Cc,d%20e" {
		t.Errorf("roles %q", got)
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "Ann", "Ö", "%41", "\x00\r\n", "a,b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		escaped := Text(text)
		if back, err := url.PathUnescape(escaped); err != nil || back != text {
			t.Errorf("%q comes back as %q, error %v", text, back, err)
		}
		if strings.ContainsFunc(escaped, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) {
			t.Errorf("%q is no header's value", escaped)
		}
	})
}

func BenchmarkToken(b *testing.B) {
	dir := b.TempDir()
	if _, err := keys.Generate(dir); err != nil {
		b.Fatal(err)
	}
	ring, err := keys.Open(keys.Identity, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	s := New(Config{Ring: ring, Issuer: "i", Now: func() time.Time { return now }, Resource: func(a string) string { return a }})
	for name, step := range map[string]time.Duration{"kept": 0, "signed": Lifetime} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				now = now.Add(step)
				if _, err := s.Token("a", ann); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
