package contract

import (
	"strings"
	"testing"
)

// TestEachFieldHasItsFormat: both sides count fields by one list.
func TestEachFieldHasItsFormat(t *testing.T) {
	seen := map[string]LogField{}
	for i, format := range LogFormats() {
		if format == "" || strings.Contains(format, LogSeparator) {
			t.Errorf("field %d has the format %q", i, format)
		}
		if other, twice := seen[format]; twice {
			t.Errorf("fields %d and %d are both %s", other, i, format)
		}
		seen[format] = LogField(i)
		if strings.Contains(format, "Authorization") || strings.Contains(format, FilterJWT) != (LogField(i) >= LogTokenSession) {
			t.Errorf("field %d has no business with %s", i, format)
		}
	}
	fields, ok := SplitLog(LogLine())
	if !ok || fields != LogFormats() {
		t.Errorf("the format of a line is not that of its fields: %q", fields)
	}
}

// TestLinesAreTakenApart: the subject of a token, which is last, cannot make
// another field, and a line with too few is none.
func TestLinesAreTakenApart(t *testing.T) {
	formats := LogFormats()
	for name, tt := range map[string]struct {
		line string
		ok   bool
		last string
	}{
		"as it should be":           {LogLine(), true, formats[LogTokenSubject]},
		"a separator in the last":   {LogLine() + LogSeparator + "x", true, formats[LogTokenSubject] + LogSeparator + "x"},
		"one too few":               {strings.Join(formats[1:], LogSeparator), false, ""},
		"nothing":                   {"", false, ""},
		"separators, nothing else":  {strings.Repeat(LogSeparator, int(LogFieldCount)-1), true, ""},
		"not even as many of these": {strings.Repeat(LogSeparator, int(LogFieldCount)-2), false, ""},
	} {
		fields, ok := SplitLog(tt.line)
		if ok != tt.ok || fields[LogTokenSubject] != tt.last {
			t.Errorf("%s: %q, %v", name, fields, ok)
		}
	}
}

func TestJudged(t *testing.T) {
	whole := Judged{
		Method: "tools/call", Tool: "echo", Listed: ListedYes, Era: "legacy", Session: "s", Principal: "p",
		Who: "https://i|ann", Verdict: VerdictAllow, Trace: "0af7651916cd43dd8448eb211c80319c", Span: "00-1 2 vendor=1",
	}
	for _, text := range whole.texts() {
		if *text == "" {
			t.Fatal("a text is not tried")
		}
	}
	for name, j := range map[string]Judged{
		"nothing":             {},
		"all of it":           whole,
		"what looks absent":   {Method: "-", Tool: "-", Who: "-"},
		"characters that end": {Method: "a\x1fb", Tool: "\x1e\x1d\x1f", Who: "\x1dd\x1df", Trace: "\x1d"},
		"other controls":      {Method: "\x00\t\n", Tool: "ü😀\u2028"},
	} {
		text := j.Encode()
		if strings.Contains(text, LogSeparator) || text == LogAbsent {
			t.Errorf("%s: %q", name, text)
		}
		if got, ok := DecodeJudged(text); !ok || got != j {
			t.Errorf("%s: %+v became %q and %+v, %v", name, j, text, got, ok)
		}
	}
	for _, text := range []string{"", LogAbsent, "a\x1eb", whole.Encode() + "\x1e"} {
		if got, ok := DecodeJudged(text); ok || got != (Judged{}) {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func FuzzJudged(f *testing.F) {
	f.Add("tools/call", "echo", "i|ann")
	f.Add("\x1d", "\x1dd\x1e", "-\x1f")
	f.Fuzz(func(t *testing.T, method, tool, who string) {
		j := Judged{Method: method, Tool: tool, Who: who}
		text := j.Encode()
		if got, ok := DecodeJudged(text); !ok || got != j || strings.Contains(text, LogSeparator) {
			t.Errorf("%+v became %q and %+v, %v", j, text, got, ok)
		}
	})
}

func FuzzSplitLog(f *testing.F) {
	f.Add(LogLine())
	f.Add(strings.Repeat(LogSeparator, 40))
	f.Fuzz(func(t *testing.T, line string) {
		if fields, ok := SplitLog(line); ok && strings.Join(fields[:], LogSeparator) != line {
			t.Errorf("%q became %q", line, fields)
		}
	})
}
