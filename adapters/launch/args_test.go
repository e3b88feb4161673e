package launch

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitArgs(t *testing.T) {
	tests := map[string][]string{
		"":                             nil,
		" \t\r\n":                      nil,
		"-y @azure-devops/mcp contoso": {"-y", "@azure-devops/mcp", "contoso"},
		"--from git+https://x/y.git a": {"--from", "git+https://x/y.git", "a"},
		`a "b c" 'd e'`:                {"a", "b c", "d e"},
		`a"b"'c'd`:                     {"abcd"},
		`'' ""`:                        {"", ""},
		`# not #a comment`:             {"#", "not", "#a", "comment"},
		`a;b && c | d > e $(f) $G *`:   {"a;b", "&&", "c", "|", "d", ">", "e", "$(f)", "$G", "*"},
		`a\ b \" \' \\`:                {"a b", `"`, "'", `\`},
		`"a\"b\\c\d\$e"`:               {`a"b\c\d\$e`},
		`'a\b'`:                        {`a\b`},
		"a\\\nb":                       {"a\nb"},
		`["a","b c",""]`:               {"a", "b c", ""},
		" [ \"a\\u0062\" ] ":           {"ab"},
		`[]`:                           {},
		`["a",null]`:                   {"[a,null]"},
		`["a",1]`:                      {"[a,1]"},
		`["a"] b`:                      {"[a]", "b"},
		`[a]`:                          {"[a]"},
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
	} {
		if got, err := SplitArgs(in); err == nil {
			t.Errorf("%s: got %q, want an error", name, got)
		}
	}
}

// shlex is Python's answer: null where it refuses.
func shlex(t *testing.T, inputs []string) [][]string {
	t.Helper()
	const program = `
import json, shlex, sys
def split(s):
    try: return shlex.split(s, comments=False, posix=True)
    except ValueError: return None
json.dump([split(s) for s in json.load(sys.stdin)], sys.stdout)`
	in, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", program)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Logf("%s", failed.Stderr)
		}
		t.Fatalf("running python3: %v", err)
	}
	var answers [][]string
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	return answers
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
	for i, want := range shlex(t, inputs) {
		got, err := SplitArgs(inputs[i])
		if (err != nil) != (want == nil) {
			t.Fatalf("SplitArgs(%q) = %q, %v; Python: %q", inputs[i], got, err, want)
		}
		if err == nil && strings.Join(got, "\x00") != strings.Join(want, "\x00") || len(got) != len(want) {
			t.Fatalf("SplitArgs(%q) = %q; Python: %q", inputs[i], got, want)
		}
	}
}

func FuzzSplitArgs(f *testing.F) {
	for _, seed := range []string{"", "a b", `"a\"b" 'c'`, `\`, `["a","b"]`, `[null]`, "#a", "a\x00", `''`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := SplitArgs(s)
		if err != nil {
			return
		}
		// What came out, quoted again, must split into the same words.
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		text := strings.Join(quoted, " ")
		if len(text) > MaxArgsBytes {
			return
		}
		again, err := SplitArgs(text)
		if err != nil {
			t.Fatalf("SplitArgs(%q): %v", text, err)
		}
		if strings.Join(again, "\x00") != strings.Join(words, "\x00") || len(again) != len(words) {
			t.Fatalf("%q became %q", words, again)
		}
	})
}
