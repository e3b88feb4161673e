package api

import "testing"

// FuzzSelector: no text makes the parser fail otherwise than with an error, and
// what it takes has only keys and values that labels can have.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{"a=b", "a in (b,c),!d", "a!=b,c", "a notin (b", "((,", "a in ()", "! ,", "a==b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSelector(text)
		if err != nil {
			return
		}
		for _, r := range s {
			if again, err := checked(r); err != nil || r.key == "" {
				t.Errorf("%q: %+v: %v", text, again, err)
			}
		}
		s.matches(map[string]string{"a": "b"})
	})
}
