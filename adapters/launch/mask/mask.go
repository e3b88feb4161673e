// Package mask takes secrets out of text before anybody sees it. It finds a
// secret as it is and in the forms that programs commonly write it in; it cannot
// find one that was cut up or turned into something else.
package mask

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
)

// Sign stands in place of a secret.
const Sign = "***"

// shortest is the length, in characters, of the shortest line of a secret of
// several lines that is one by itself, and of the shortest base64 that is looked
// for. It is that of the shortest secret.
const shortest = 4

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
		for _, line := range lines(value) {
			forms = append(forms, formsOf(line)...)
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
