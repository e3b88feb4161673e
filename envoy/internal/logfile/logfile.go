// Package logfile bounds the log files that the parts write themselves, and
// hands the user the lines that matter. The parts do not log through a pipe to
// the launcher: a part that outlives the launcher for a moment must still be
// able to say what it does.
package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"time"
)

const (
	// DefaultMaxBytes is the size at which a log is moved to its ".1".
	DefaultMaxBytes = 8 << 20

	pollInterval = 200 * time.Millisecond
	maxLine      = 1 << 10
	// levelWithin is how far from its beginning a line says how grave it is. Access
	// logs come in megabytes, and what follows is not the part's own words alone.
	levelWithin = 128
	// A part may say so many warnings in so long; the rest is only counted.
	burst       = 10
	burstPeriod = 10 * time.Second
)

// warning matches lines of slog's text and JSON handlers, of Envoy and of a Go
// program that crashed.
var warning = regexp.MustCompile(`level=(WARN|ERROR)|"level":"(WARN|ERROR|warning|error|critical)"|\]\[(warning|error|critical)\]|^(panic|fatal error): `)

// Open opens the log for a part to append to.
func Open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening log: %w", err)
	}
	return file, nil
}

// Watcher follows one log.
type Watcher struct {
	path     string
	maxBytes int64
	warn     func(line string)

	offset  int64
	partial []byte
	said    int // in this period
	period  time.Time
}

// NewWatcher returns a watcher of the log at path from its present end on. It
// calls warn for each line that is a warning or worse. Zero maxBytes means
// DefaultMaxBytes.
func NewWatcher(path string, maxBytes int64, warn func(line string)) *Watcher {
	w := &Watcher{path: path, maxBytes: maxBytes, warn: warn}
	if w.maxBytes == 0 {
		w.maxBytes = DefaultMaxBytes
	}
	if info, err := os.Stat(path); err == nil {
		w.offset = info.Size()
	}
	return w
}

// Run follows the log until ctx ends, and reads it once more then.
func (w *Watcher) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if err := w.poll(time.Now()); err != nil {
			return fmt.Errorf("following log: %w", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return w.poll(time.Now())
		}
	}
}

func (w *Watcher) poll(now time.Time) error {
	file, err := os.OpenFile(w.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		w.offset, w.partial = 0, nil
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size < w.offset {
		w.offset, w.partial = 0, nil // somebody emptied it
	}
	fresh, err := io.ReadAll(io.NewSectionReader(file, w.offset, size-w.offset))
	if err != nil {
		return err
	}
	w.offset = size
	w.lines(fresh, now)
	if size < w.maxBytes {
		return nil
	}
	return w.rotate(file)
}

// rotate copies and truncates: the part keeps its file open and goes on
// appending to it. What it writes between the two steps is lost.
func (w *Watcher) rotate(file *os.File) error {
	old, err := os.OpenFile(w.path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(old, io.NewSectionReader(file, 0, w.offset))
	if err := errors.Join(err, old.Close()); err != nil {
		return err
	}
	w.offset = 0
	return file.Truncate(0)
}

func (w *Watcher) lines(fresh []byte, now time.Time) {
	w.partial = append(w.partial, fresh...)
	for {
		line, rest, found := bytes.Cut(w.partial, []byte("\n"))
		if !found {
			break
		}
		w.partial = rest
		if warning.Match(line[:min(len(line), levelWithin)]) {
			w.tell(line, now)
		}
	}
	// What a line begins with is enough, and less than all that was read.
	w.partial = slices.Clone(w.partial[:min(len(w.partial), maxLine)])
}

func (w *Watcher) tell(line []byte, now time.Time) {
	if now.Sub(w.period) > burstPeriod {
		w.period, w.said = now, 0
	}
	switch w.said++; {
	case w.said <= burst:
		w.warn(readable(line[:min(len(line), maxLine)]))
	case w.said == burst+1:
		w.warn("more warnings are in " + w.path)
	}
}

// Tail is the last lines of the log at path, at most n and at most 8 KiB. It is
// empty where there is no log.
func Tail(path string, n int) string {
	const most = 8 << 10
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.NewSectionReader(file, max(0, size-most), most))
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}
