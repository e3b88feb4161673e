package mask

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestFormsOfOthers: the forms are what the programs that are named write, not
// what this package makes.
func TestFormsOfOthers(t *testing.T) {
	for _, c := range []struct{ by, secret, form string }{
		{"Python's quote", "a+b/c d=é~", "a%2Bb/c%20d%3D%C3%A9~"},
		{"Python's quote_plus", "a+b/c d=é~", "a%2Bb%2Fc+d%3D%C3%A9~"},
		{"encodeURIComponent", "a+b/c d=(é)!*'", "a%2Bb%2Fc%20d%3D(%C3%A9)!*'"},
		{"encodeURI", "a+b/c d=é%#", "a+b/c%20d=%C3%A9%25#"},
		{"URLSearchParams", "a+b/c d~*", "a%2Bb%2Fc+d%7E*"},
		{"C#, lower case", "a+b/c d=é", "a%2bb%2fc+d%3d%c3%a9"},
		{"lower case", "a+b/c d=é", "a%2bb%2fc%20d%3d%c3%a9"},
		{"PHP's json_encode", `a/b"é`, `a\/b\"\u00e9`},
		{"Python's json.dumps", "a/b\"é\U0001f600\x01", `a/b\"\u00e9\ud83d\ude00\u0001`},
		{"JSON.stringify", "a/b\"é\b\f\\", `a/b\"é\b\f\\`},
		{"Jackson in ASCII", "a/é\u00ff", `a/\u00E9\u00FF`},
		{"Gson", "a=b&c'd<", `a\u003db\u0026c\u0027d\u003c`},
		{"Go", "a=b&c'd<", `a=b\u0026c'd\u003c`},
		{"System.Text.Json", "a+b&c'd\"é", `a\u002Bb\u0026c\u0027d\u0022\u00E9`},
	} {
		if got := New([]string{c.secret}).String("x " + c.form + " y"); got != "x *** y" {
			t.Errorf("%s of %q, %q: %s", c.by, c.secret, c.form, got)
		}
	}
}

// TestBase64Inside: of base64 of something longer only the characters at the
// ends of the secret are left.
func TestBase64Inside(t *testing.T) {
	for _, secret := range []string{"abcd", "s3cr?t>", "s3cret-value-öä?>"} {
		m := New([]string{secret})
		for before := range 7 {
			for after := range 4 {
				plain := strings.Repeat("u", before) + secret + strings.Repeat("~", after)
				for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
					whole := encoding.EncodeToString([]byte(plain))
					got := m.String(whole)
					rest := len(strings.TrimRight(got, "=")) - len(Sign)
					if !strings.Contains(got, Sign) || rest > (before*8+5)/6+(after*8+5)/6+1 {
						t.Errorf("%q in %q: %s", secret, whole, got)
					}
				}
			}
		}
	}
}

func TestShortLines(t *testing.T) {
	m := New([]string{"first\r\nsec2\r\nab\nthird\n"})
	if got := m.String("first, sec2, ab, third"); got != "***, ***, ab, ***" {
		t.Error(got)
	}
}

func BenchmarkString(b *testing.B) {
	m := New([]string{"s3cret-value/with+all=é", strings.Repeat("MIIEvQIBADANBg+/\n", 200)})
	line := strings.Repeat("an ordinary line of a log, with words and 12345 ", 20)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		m.String(line)
	}
}

func BenchmarkNew(b *testing.B) {
	key := strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7+/=\n", 30)
	for b.Loop() {
		New([]string{key}).String("")
	}
}
