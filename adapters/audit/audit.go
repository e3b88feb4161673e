// Package audit keeps a stream of what was done and refused: one JSON object a
// line, each bound to the one before by a digest, so that a line that was
// changed, removed or put in shows. It is told what to write, and judges
// nothing.
package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The verdicts.
const (
	// Allowed: it was done.
	Allowed = "allow"
	// Denied: it was refused.
	Denied = "deny"
	// Failed: it was allowed, and did not work.
	Failed = "error"
)

// Event is what happened. It holds no credential, no body and no value of a
// variable. Empty members are unknown, or do not apply.
type Event struct {
	// Time is when it was answered. Zero means now.
	Time time.Time `json:"time"`
	// RequestID names the request in the logs of all parts.
	RequestID string `json:"requestId"`
	// Principal is the Principal.ID of who asked. Empty means that nobody was
	// proved.
	Principal string `json:"principal"`
	// Source is where the request came from, as Envoy saw it.
	Source string `json:"source,omitempty"`
	// Method and Path are the request's.
	Method string `json:"method"`
	Path   string `json:"path"`
	// Adapter is the adapter's name.
	Adapter string `json:"adapter,omitempty"`
	// RPCMethod and Tool are what an MCP message asked for, and Session is the
	// hash of its session's id.
	RPCMethod string `json:"rpcMethod,omitempty"`
	Tool      string `json:"tool,omitempty"`
	Session   string `json:"session,omitempty"`
	// Verdict is Allowed, Denied or Failed.
	Verdict string `json:"verdict"`
	// Status is the HTTP status, and Reason why, in words without secrets.
	Status int    `json:"status"`
	Reason string `json:"reason,omitempty"`
	// Created is the path of what was made.
	Created string `json:"created,omitempty"`
	// Changed are JSON pointers to what a change changed; Before and After are
	// the adapter around it, without the values of variables.
	Changed []string        `json:"changed,omitempty"`
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
	// Dropped is how many events before this one could not be kept.
	Dropped uint64 `json:"dropped,omitempty"`
}

// link is what binds a line to the one before. Its members are the last of the
// line: the digest is of all bytes before its own.
type link struct {
	Event
	Seq  int64  `json:"seq"`
	Prev string `json:"prev"`
}

// maxLine bounds a line, in bytes: two adapters at their greatest.
const maxLine = 4 << 20

const hashMember = `,"hash":"`

// seal adds the digest of an object to it, as its last member, and a newline.
func seal(object []byte) (line []byte, hash string) {
	open := bytes.TrimSuffix(object, []byte("}"))
	sum := sha256.Sum256(open)
	hash = hex.EncodeToString(sum[:])
	return fmt.Appendf(nil, "%s%s%s\"}\n", open, hashMember, hash), hash
}

// chain is what was read of a file.
type chain struct {
	// begin is what its first line goes on from: empty for the first of all.
	begin string
	lines int64
	// last and hash are the last line's.
	last int64
	hash string
	// whole is the length of all whole lines, in bytes, and cut says that there
	// is more.
	whole int64
	cut   bool
}

// read follows the chain in r to its end.
func read(r io.Reader) (chain, error) {
	var c chain
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		text := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(text) <= maxLine {
			line, err = lines.ReadSlice('\n')
			text = append(text, line...)
		}
		switch {
		case errors.Is(err, io.EOF):
			c.cut = len(text) > 0
			return c, nil
		case err != nil:
			return c, fmt.Errorf("line %d: %w", c.lines+1, err)
		}
		if err := c.next(text); err != nil {
			return c, fmt.Errorf("line %d: %w", c.lines+1, err)
		}
	}
}

// next takes the next line, with its newline.
func (c *chain) next(line []byte) error {
	at := bytes.LastIndex(line, []byte(hashMember))
	if at < 0 {
		return errors.New("it has no digest")
	}
	again, hash := seal(append(bytes.Clone(line[:at]), '}'))
	if !bytes.Equal(again, line) {
		return errors.New("it was changed: its digest is another")
	}
	var l struct {
		Seq  int64  `json:"seq"`
		Prev string `json:"prev"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	switch {
	case c.lines == 0:
		c.begin = l.Prev
	case l.Prev != c.hash || l.Seq != c.last+1:
		return fmt.Errorf("a line is missing before it, or was put in: it is number %d and follows number %d", l.Seq, c.last)
	}
	c.lines, c.last, c.hash, c.whole = c.lines+1, l.Seq, hash, c.whole+int64(len(line))
	return nil
}
