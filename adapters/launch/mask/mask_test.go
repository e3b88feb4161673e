package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

func TestForms(t *testing.T) {
	for _, secret := range []string{"abcd", `s3cr"et\ value`, "tab\tnew\nline of it", "pass&word=<1>", "äöü-ß?"} {
		m := New([]string{"", "other-secret", secret})
		text, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		for name, form := range map[string]string{
			"plain": secret, "JSON": string(text), "query": url.QueryEscape(secret), "path": url.PathEscape(secret),
			"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64url": base64.URLEncoding.EncodeToString([]byte(secret)),
		} {
			got := m.String("before " + form + " between " + form + " after")
			if strings.Contains(got, strings.TrimRight(form, "=")) || strings.Count(got, Sign) < 2 || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("%s of %q: %s", name, secret, got)
			}
		}
	}
}

// TestLines: a key of several lines comes out line by line.
func TestLines(t *testing.T) {
	m := New([]string{"-----BEGIN KEY-----\nMIIEvQIBADANBg\nshort\n-----END KEY-----\n"})
	if got := m.String("line: MIIEvQIBADANBg"); got != "line: ***" {
		t.Error(got)
	}
}

func TestLongestWins(t *testing.T) {
	if got := New([]string{"abcd", "abcdef"}).String("abcdefg abcdx"); got != "***g ***x" {
		t.Error(got)
	}
}

func TestNone(t *testing.T) {
	for _, m := range []*Mask{nil, New(nil), New([]string{""})} {
		if m.String("a") != "a" || m.Longest() != 0 || string(m.Head([]byte("abc"), 2)) != "ab" || m.Attr(nil, slog.Int("a", 1)).Value.Int64() != 1 {
			t.Errorf("%+v", m)
		}
	}
}

// TestHead: wherever a line is cut, no part of a secret is left that says
// anything.
func TestHead(t *testing.T) {
	const secret, n = "0123456789abcdef", 40
	m := New([]string{secret})
	for at := range 60 {
		for _, before := range []string{"", secret, secret + " " + secret} {
			whole := before + strings.Repeat("x", at) + secret + strings.Repeat("y", 60)
			got := string(m.Head([]byte(whole[:min(len(whole), n+m.Longest())]), n))
			if len(got) > n || strings.Contains(got, secret[:4]) {
				t.Errorf("at %d behind %q: %s", at, before, got)
			}
		}
	}
}

func TestAttr(t *testing.T) {
	m := New([]string{"the-secret"})
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: m.Attr}))
	log.With("always", "the-secret").WithGroup("g").Error("message of the-secret", "text", "a the-secret b",
		"error", fmt.Errorf("wrapped: %w", errors.New("the-secret")), "list", []string{"the-secret"}, "number", 1)
	if text := out.String(); strings.Contains(text, "the-secret") || strings.Count(text, Sign) != 5 || !json.Valid(out.Bytes()) {
		t.Error(text)
	}
}

func FuzzHead(f *testing.F) {
	f.Add("secret", "a secret b", 4)
	f.Add("ab\ncd", "ab\\ncd", 100)
	f.Fuzz(func(t *testing.T, secret, text string, n int) {
		if n < 0 || len(secret) < 4 || strings.ContainsAny(secret, "*") {
			return
		}
		m := New([]string{secret})
		got := string(m.Head([]byte(text), n))
		if len(got) > max(n, 3*len(text)) || strings.Contains(got, secret) && !strings.Contains(Sign, secret) {
			t.Errorf("%q of %q: %q", secret, text, got)
		}
	})
}
