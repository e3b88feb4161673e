package jsonrpc

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// The error codes that the bridge answers with.
const (
	CodeParseError     = -32700
	CodeInvalidRequest = -32600
	CodeInternal       = -32603
)

// ErrorResponse is a response that answers the request with the raw id (nil:
// null) with an error. It ends without a newline.
func ErrorResponse(rawID []byte, code int, message string) []byte {
	if rawID == nil {
		rawID = []byte("null")
	}
	out := append([]byte(`{"jsonrpc":"2.0","id":`), rawID...)
	out = append(out, `,"error":{"code":`...)
	out = append(out, jsontext.Int(int64(code)).String()...)
	out = append(out, `,"message":`...)
	// Only invalid UTF-8 is an error, and it is replaced all the same.
	out, _ = jsontext.AppendQuote(out, message)
	return append(out, "}}"...)
}

// OneLine returns the message with its line breaks made spaces, so that it fits
// on one line of stdio or of an event stream. In valid JSON a raw line break is
// never part of a string, so the message stays what it was. It returns text
// itself where there is nothing to replace.
func OneLine(text []byte) []byte {
	// Not bytes.TrimSpace, which takes away what is no white space in JSON.
	text = bytes.Trim(text, " \t\r\n")
	if !bytes.ContainsAny(text, "\r\n") {
		return text
	}
	out := bytes.Clone(text)
	for i, c := range out {
		if c == '\r' || c == '\n' {
			out[i] = ' '
		}
	}
	return out
}
