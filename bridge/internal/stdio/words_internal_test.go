package stdio

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestRateOfWords: ten times the rate at once, then the rate; the rest is counted.
func TestRateOfWords(t *testing.T) {
	const rate = 2
	var log bytes.Buffer
	w := newWords(nil, slog.New(slog.NewTextHandler(&log, nil)), rate)
	lines := func() int { return strings.Count(log.String(), `msg="server output" `) }
	say := func() (took float64) {
		begin := time.Now()
		for n := range 100 {
			w.say("stderr", fmt.Appendf(nil, "noise %d", n))
		}
		return time.Since(begin).Seconds()
	}
	took := say()
	if n := lines(); n < rate*wordsBurst || float64(n) > rate*(wordsBurst+took)+1 {
		t.Errorf("%d lines are logged at once", n)
	}
	if tail := w.lines(); len(tail) != tailLines || tail[tailLines-1] != "noise 99" {
		t.Errorf("kept are %q", tail)
	}
	first := lines()
	w.last = w.last.Add(-time.Second)
	took = say()
	if n := lines() - first; n < rate || float64(n) > rate*(1+took)+1 {
		t.Errorf("%d lines are logged a second later", n)
	}
	if want := fmt.Sprintf(`msg="server output dropped" lines=%d`, 100-first); !strings.Contains(log.String(), want) {
		t.Errorf("the log has no %s:\n%s", want, &log)
	}
}
