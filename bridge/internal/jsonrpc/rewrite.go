package jsonrpc

import (
	"slices"
	"strconv"
)

// Edit puts With in the place of the part of a message that At says. An edit of
// the zero Span does nothing.
type Edit struct {
	At   Span
	With []byte
}

// Rewrite returns the text with the edits made, in memory of its own. They must
// not overlap.
func Rewrite(text []byte, edits ...Edit) []byte {
	slices.SortFunc(edits, func(a, b Edit) int { return a.At.Start - b.At.Start })
	size := len(text)
	for _, e := range edits {
		size += len(e.With)
	}
	out, from := make([]byte, 0, size), 0
	for _, e := range edits {
		if e.At == (Span{}) {
			continue
		}
		out = append(out, text[from:e.At.Start]...)
		out = append(out, e.With...)
		from = e.At.End
	}
	return append(out, text[from:]...)
}

// Number is the id that is the number n, and how it is written in a message.
func Number(n int64) (ID, []byte) {
	text := strconv.FormatInt(n, 10)
	return ID(text), []byte(text)
}
