package stdio

import (
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/mooring-mcp/mooring/adapters/launch/mask"
)

// The bounds of what is kept and logged of a child's own words.
const (
	maxWordsLine = 4 << 10 // bytes of a line that are logged
	tailLines    = 20
	tailLineLen  = 400 // bytes of a line that are kept
	wordsBurst   = 10  // seconds of the rate that may be logged at once
)

// words logs what a child says outside of the protocol, no faster than a rate of
// lines in a second, and keeps its last lines.
type words struct {
	mask *mask.Mask
	log  *slog.Logger
	rate float64

	mu      sync.Mutex
	tail    []string
	tokens  float64
	last    time.Time
	dropped int
}

func newWords(secrets *mask.Mask, log *slog.Logger, rate int) *words {
	return &words{mask: secrets, log: log, rate: float64(rate), tokens: float64(rate * wordsBurst), last: time.Now()}
}

// say takes one line that came from the stream.
func (w *words) say(stream string, raw []byte) {
	// What was taken out to make it printable could have kept a secret from being
	// known.
	line := w.mask.String(printable(string(w.mask.Head(raw, maxWordsLine))))
	if line == "" {
		return
	}
	dropped, ok := w.keep(line)
	if !ok {
		return
	}
	if dropped > 0 {
		w.log.Warn("server output dropped", "lines", dropped)
	}
	w.log.Info("server output", "stream", stream, "line", line)
}

// keep adds the line to the tail and reports whether it may be logged, and how
// many lines could not be since the last one.
func (w *words) keep(line string) (dropped int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.tail) == tailLines {
		w.tail = append(w.tail[:0], w.tail[1:]...)
	}
	w.tail = append(w.tail, cutString(line, tailLineLen))
	now := time.Now()
	w.tokens = min(w.rate*wordsBurst, w.tokens+now.Sub(w.last).Seconds()*w.rate)
	w.last = now
	if w.tokens < 1 {
		w.dropped++
		return 0, false
	}
	w.tokens--
	dropped, w.dropped = w.dropped, 0
	return dropped, true
}

// lines returns the last lines, oldest first.
func (w *words) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.tail...)
}

// printable is the line without escape sequences and control characters, which
// would act on the terminal of whoever reads the log.
func printable(line string) string {
	var out strings.Builder
	escape := false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			// An escape sequence ends at its first letter.
			escape = !unicode.IsLetter(r)
		case r == '\t':
			out.WriteString("    ")
		case unicode.IsControl(r):
		default:
			out.WriteRune(r)
		}
	}
	return strings.TrimRightFunc(out.String(), unicode.IsSpace)
}

// cutString is s up to n bytes, without a part of a character at its end.
func cutString(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
