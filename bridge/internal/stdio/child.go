package stdio

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Child is one running server. Its methods may be called by several goroutines,
// except for Receive.
type Child struct {
	cmd   Command
	pid   int
	mark  string // its MOORING_CHILD variable, by which its leftovers are known
	log   *slog.Logger
	words *words

	stdin  *os.File
	stdout *os.File
	lines  *lineReader

	sending chan struct{} // holds one token: the right to write
	stop    chan struct{}
	stopped sync.Once
	// exited is closed when the process has ended, but is not yet reaped: its
	// process group cannot be another's until then.
	exited chan struct{}
	done   chan struct{}
	status unix.WaitStatus // valid once done is closed
}

// Exit says how a child ended.
type Exit struct {
	// How is a clause: "exited with code 1", "was killed by signal 9 (killed)".
	How string
	// Lines are the last lines that it wrote outside of the protocol.
	Lines []string
}

// Send writes one message to the child: text without line breaks. It takes
// turns with other calls. When the child does not read for as long as
// Command.SendTimeout, it returns ErrNotReading; a child that has read a part by
// then is ended, since the rest of the stream would make no sense to it.
func (c *Child) Send(message []byte) error {
	if err := c.turn(); err != nil {
		return err
	}
	defer func() { c.sending <- struct{}{} }()

	// A pipe takes one write whole up to 4 KiB, so the line break goes with it.
	line := append(message[:len(message):len(message)], '\n')
	if err := c.stdin.SetWriteDeadline(time.Now().Add(c.cmd.SendTimeout)); err != nil {
		return ErrEnded
	}
	n, err := c.stdin.Write(line)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		if n > 0 {
			c.log.Warn("ending a server that stopped reading in the middle of a message")
			c.Stop()
		}
		return ErrNotReading
	default:
		return ErrEnded
	}
}

// turn takes the right to write, which most often is there.
func (c *Child) turn() error {
	select {
	case <-c.sending:
		return nil
	default:
	}
	deadline := time.NewTimer(c.cmd.SendTimeout)
	defer deadline.Stop()
	select {
	case <-c.sending:
		return nil
	case <-c.done:
		return ErrEnded
	case <-deadline.C:
		return ErrNotReading
	}
}

// Receive returns the next line that can be a message. Of a line longer than
// Command.MaxLine it returns the beginning, and cut is true. Other output is
// logged and passed over. It returns ErrEnded once the child has ended and all
// its output was read. Only one goroutine may call it, and it must go on until
// then, or the child stays unread.
func (c *Child) Receive() (line []byte, cut bool, err error) {
	for {
		line, cut, err := c.lines.next()
		if err != nil {
			// A child that closed its output, but lives, is of no use.
			c.Stop()
			<-c.done
			_ = c.stdout.Close()
			return nil, false, ErrEnded
		}
		if looksLikeMessage(line) {
			return line, cut, nil
		}
		c.words.say("stdout", line)
	}
}

// Stop begins the child's end and returns at once: its input is closed, then it
// is told to terminate, then it is killed, and everything that it started with
// it. Done tells when that is over.
func (c *Child) Stop() { c.stopped.Do(func() { close(c.stop) }) }

func (c *Child) isStopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// Ended reports whether the process has ended, by itself or not.
func (c *Child) Ended() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// Done is closed when the child and everything that it started are gone.
func (c *Child) Done() <-chan struct{} { return c.done }

// LastLines are the newest lines that the child wrote outside of the protocol,
// oldest first, each bounded in length.
func (c *Child) LastLines() []string { return c.words.lines() }

// Exit says how the child ended. It waits until it has.
func (c *Child) Exit() Exit {
	<-c.done
	return Exit{How: describe(c.status), Lines: c.words.lines()}
}

func describe(s unix.WaitStatus) string {
	if s.Signaled() {
		return fmt.Sprintf("was killed by signal %d (%s)", s.Signal(), s.Signal())
	}
	return fmt.Sprintf("exited with code %d", s.ExitStatus())
}

// maxExitLines bounds the bytes of last lines in Exit.String.
const maxExitLines = 3000

// String is the exit as one clause, with as many of the last lines as fit.
func (e Exit) String() string {
	first, size := len(e.Lines), 0
	for first > 0 && size+len(e.Lines[first-1]) <= maxExitLines {
		first--
		size += len(e.Lines[first])
	}
	if first == len(e.Lines) {
		return e.How + " and wrote nothing on standard error"
	}
	return e.How + "; it wrote: " + strings.Join(e.Lines[first:], " | ")
}

// readStderr logs standard error until it is closed.
func (c *Child) readStderr(stderr *os.File) {
	defer func() { _ = stderr.Close() }()
	lines := newLineReader(stderr, maxWordsLine+c.cmd.Mask.Longest())
	for {
		line, _, err := lines.next()
		if err != nil {
			return
		}
		c.words.say("stderr", line)
	}
}
