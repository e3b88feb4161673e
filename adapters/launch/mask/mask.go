// Package mask takes secrets out of text before anybody sees it. It finds a
// secret as it is and in the forms that programs commonly write it in; it cannot
// find one that was cut up or turned into something else.
package mask

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// Sign stands in place of a secret.
const Sign = "***"

// shortest is the length, in bytes, of the shortest line of a secret of several
// lines that is one by itself.
const shortest = 8

// Mask knows secrets. Nil knows none. It is safe for use by several goroutines.
type Mask struct {
	forms    []string
	replacer *strings.Replacer
}

// New is a Mask of the values, of which empty ones are left out. It is nil where
// there are none.
func New(values []string) *Mask {
	var forms []string
	for _, value := range values {
		forms = append(forms, formsOf(value)...)
		for line := range strings.Lines(value) {
			// Logs have a line where the secret has one.
			if line = strings.TrimSpace(line); len(line) >= shortest && line != value {
				forms = append(forms, formsOf(line)...)
			}
		}
	}
	// The longest that fits at a place is what is there.
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	forms = slices.Compact(forms)
	if len(forms) == 0 {
		return nil
	}
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, Sign)
	}
	return &Mask{forms: forms, replacer: strings.NewReplacer(pairs...)}
}

// formsOf is how programs write value.
func formsOf(value string) []string {
	if value == "" {
		return nil
	}
	forms := []string{
		value, url.QueryEscape(value), url.PathEscape(value),
		base64.RawStdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)),
	}
	// A text cannot fail to be encoded.
	if text, err := json.Marshal(value); err == nil {
		forms = append(forms, string(text[1:len(text)-1]))
	}
	plain := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
	return append(forms, plain.Replace(value))
}

// String is text without secrets.
func (m *Mask) String(text string) string {
	if m == nil {
		return text
	}
	return m.replacer.Replace(text)
}

// Longest is the length of the longest form of a secret, in bytes.
func (m *Mask) Longest() int {
	if m == nil {
		return 0
	}
	return len(m.forms[0])
}

// Head is the first n bytes of text, or fewer, without secrets: also without the
// part of one that goes on behind the end. Of text it must get n and Longest
// bytes, or all there is.
func (m *Mask) Head(text []byte, n int) []byte {
	if m == nil {
		return text[:min(n, len(text))]
	}
	longest := m.Longest()
	if len(text) <= n {
		return []byte(m.replacer.Replace(string(text)))
	}
	masked := m.replacer.Replace(string(text[:min(len(text), n+longest)]))
	// What may be the beginning of a secret is at the end.
	return []byte(masked[:min(n, max(0, len(masked)-longest))])
}

// Attr is for slog.HandlerOptions.ReplaceAttr: it takes secrets out of all that
// is logged.
func (m *Mask) Attr(_ []string, a slog.Attr) slog.Attr {
	if m == nil {
		return a
	}
	switch a.Value.Kind() {
	case slog.KindString, slog.KindAny:
		text := a.Value.String()
		if masked := m.String(text); masked != text {
			a.Value = slog.StringValue(masked)
		}
	}
	return a
}
