package launch

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSplitArgs(t *testing.T) {
	tests := map[string][]string{
		"":                               nil,
		" \t\r\n":                        nil,
		"-y @azure-devops/mcp contoso":   {"-y", "@azure-devops/mcp", "contoso"},
		"--from git+https://x/y.git a":   {"--from", "git+https://x/y.git", "a"},
		`a "b c" 'd e'`:                  {"a", "b c", "d e"},
		`a"b"'c'd`:                       {"abcd"},
		`'' ""`:                          {"", ""},
		`# not #a comment`:               {"#", "not", "#a", "comment"},
		`a;b && c | d > e $(f) $G *`:     {"a;b", "&&", "c", "|", "d", ">", "e", "$(f)", "$G", "*"},
		`a\ b \" \' \\`:                  {"a b", `"`, "'", `\`},
		`"a\"b\\c\d\$e"`:                 {`a"b\c\d\$e`},
		`'a\b'`:                          {`a\b`},
		strings.Repeat("é", MaxArgRunes): {strings.Repeat("é", MaxArgRunes)},
		`["a","b c",""]`:                 {"a", "b c", ""},
		" [ \"a\\u0062\" ] ":             {"ab"},
		`[]`:                             {},
		`["a",null]`:                     {"[a,null]"},
		`["a",1]`:                        {"[a,1]"},
		`["a"] b`:                        {"[a]", "b"},
		`[a]`:                            {"[a]"},
	}
	for in, want := range tests {
		got, err := SplitArgs(in)
		if err != nil {
			t.Errorf("SplitArgs(%q): %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("SplitArgs(%q): -want +got\n%s", in, diff)
		}
	}
}

func TestSplitArgsRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"open double quote":     `a "b`,
		"open single quote":     `a 'b`,
		"escaped closing quote": `"a\"`,
		"trailing backslash":    `a \`,
		"NUL":                   "a\x00b",
		"NUL in JSON":           `["a\u0000b"]`,
		"too long":              strings.Repeat("a", MaxArgsBytes+1),
		"too many":              strings.Repeat("a ", MaxArgs+1),
		"word too long":         "a " + strings.Repeat("a", MaxArgRunes+1),
		"word too long in JSON": `["` + strings.Repeat("a", MaxArgRunes+1) + `"]`,
		"escaped line break":    "a\\\nb",
		"quoted line break":     "'a\nb'",
		"line break in JSON":    `["a\nb"]`,
		"return in JSON":        `["a\rb"]`,
	} {
		if got, err := SplitArgs(in); err == nil {
			t.Errorf("%s: got %q, want an error", name, got)
		}
	}
}

func TestSplitArgsAgreesWithPython(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b", "#", "'", `"`, `\`, " ", "\t", "\n", "\r", "\v", "$", "é", "世", "\u00a0", ";", "=", "[", "]", ","}
	inputs := []string{`a "b c"`, `\`, `'`, `""`}
	for range 20000 {
		var b strings.Builder
		for range random.IntN(12) {
			b.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		if s := b.String(); !json.Valid([]byte(s)) { // JSON is Mooring's own addition
			inputs = append(inputs, s)
		}
	}
	reference := startPython(t)
	for _, input := range inputs {
		want := reference.split(t, input)
		// The bounds that SplitArgs adds are its own.
		got, err := splitWords(input)
		if (err != nil) != (want == nil) {
			t.Fatalf("splitWords(%q) = %q, %v; Python: %q", input, got, err, want)
		}
		if err == nil && strings.Join(got, "\x00") != strings.Join(want, "\x00") || len(got) != len(want) {
			t.Fatalf("splitWords(%q) = %q; Python: %q", input, got, want)
		}
	}
}

// python answers as shlex.split does, one text after the other.
type python struct {
	in  *json.Encoder
	out *json.Decoder
}

func startPython(tb testing.TB) python {
	tb.Helper()
	const program = `
import json, shlex, sys
for line in sys.stdin:
    try: words = shlex.split(json.loads(line), comments=False, posix=True)
    except ValueError: words = None
    print(json.dumps(words), flush=True)`
	cmd := exec.Command("python3", "-c", program)
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("running python3: %v", err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			tb.Errorf("python3: %v", err)
		}
	})
	return python{json.NewEncoder(in), json.NewDecoder(out)}
}

// split is Python's answer: nil where it refuses.
func (p python) split(tb testing.TB, s string) (words []string) {
	tb.Helper()
	if err := p.in.Encode(s); err != nil {
		tb.Fatal(err)
	}
	if err := p.out.Decode(&words); err != nil {
		tb.Fatal(err)
	}
	return words
}

// FuzzSplitArgs holds the splitter against Python's, and what came out against
// itself: quoted again, it must split into the same words.
func FuzzSplitArgs(f *testing.F) {
	for _, seed := range []string{"", "a b", `"a\"b" 'c'`, `\`, `["a","b"]`, `[null]`, "#a", "a\x00", `''`, "'a\nb'", `a"b\c\"d"'e'`, "a\u00a0b\v"} {
		f.Add(seed)
	}
	reference := startPython(f)
	f.Fuzz(func(t *testing.T, s string) {
		if utf8.ValidString(s) { // other text does not reach Python unchanged
			want := reference.split(t, s)
			got, err := splitWords(s)
			if (err != nil) != (want == nil) || !slices.Equal(got, want) {
				t.Fatalf("splitWords(%q) = %q, %v; Python: %q", s, got, err, want)
			}
		}
		words, err := SplitArgs(s)
		if err != nil {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		text := strings.Join(quoted, " ")
		if len(text) > MaxArgsBytes {
			return
		}
		again, err := SplitArgs(text)
		if err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q became %q, %v", words, again, err)
		}
	})
}
