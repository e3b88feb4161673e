package stdio

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func FuzzLineReader(f *testing.F) {
	f.Add([]byte("a\nbb\r\n\n{}"), 10)
	f.Add([]byte(strings.Repeat("x", 40)+"\ny\n"), 16)
	f.Add([]byte("\r\n\r\r\n"), 1)
	f.Add([]byte("\x00\xff"), 3)
	f.Fuzz(func(t *testing.T, text []byte, limit int) {
		limit = 1 + max(0, limit)%64
		var want []string
		for line := range strings.SplitAfterSeq(string(text), "\n") {
			if line != "" {
				line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
				want = append(want, line[:min(len(line), limit)])
			}
		}
		for _, r := range []io.Reader{bytes.NewReader(text), iotest.OneByteReader(bytes.NewReader(text))} {
			var got []string
			lines := newLineReader(r, limit)
			for {
				line, _, err := lines.next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(line))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
		}
	})
}

func TestParseStat(t *testing.T) {
	for stat, want := range map[string][2]int{
		"12 (a b) S 34 12 56 0":      {34, 56},
		"12 (evil) S 1) R 7 12 8 99": {7, 8},
	} {
		if parent, session, ok := parseStat([]byte(stat)); !ok || parent != want[0] || session != want[1] {
			t.Errorf("%q gives %d, %d, %v", stat, parent, session, ok)
		}
	}
	for _, stat := range []string{"", "12 (cut", "12 (a) S 1 2", "12 (a) S x 2 3"} {
		if _, _, ok := parseStat([]byte(stat)); ok {
			t.Errorf("%q is accepted", stat)
		}
	}
}
