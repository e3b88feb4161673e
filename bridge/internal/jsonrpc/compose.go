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
	CodeNoMethod       = -32601
	CodeInvalidParams  = -32602
	// The codes of the modern era.
	CodeHeaderMismatch     = -32020
	CodeMissingCapability  = -32021
	CodeUnsupportedVersion = -32022
)

// ErrorResponse is a response that answers the request with the raw id (nil:
// null) with an error. It ends without a newline.
func ErrorResponse(rawID []byte, code int, message string) []byte {
	return ErrorWithData(rawID, code, message, nil)
}

// ErrorWithData is ErrorResponse with data, which is JSON; nil means none.
func ErrorWithData(rawID []byte, code int, message string, data []byte) []byte {
	if rawID == nil {
		rawID = []byte("null")
	}
	out := append([]byte(`{"jsonrpc":"2.0","id":`), rawID...)
	out = append(out, `,"error":{"code":`...)
	out = append(out, jsontext.Int(int64(code)).String()...)
	out = append(out, `,"message":`...)
	// Only invalid UTF-8 is an error, and it is replaced all the same.
	out, _ = jsontext.AppendQuote(out, message)
	if data != nil {
		out = append(append(out, `,"data":`...), data...)
	}
	return append(out, "}}"...)
}

// ResultResponse is a response that answers the request with the raw id with a
// result, which is JSON.
func ResultResponse(rawID, result []byte) []byte {
	out := append([]byte(`{"jsonrpc":"2.0","id":`), rawID...)
	out = append(append(out, `,"result":`...), result...)
	return append(out, '}')
}

// Call is a request, or with a nil rawID a notification. Params are JSON; nil
// means none.
func Call(rawID []byte, method string, params []byte) []byte {
	out := []byte(`{"jsonrpc":"2.0",`)
	if rawID != nil {
		out = append(append(append(out, `"id":`...), rawID...), ',')
	}
	out = append(out, `"method":`...)
	out, _ = jsontext.AppendQuote(out, method)
	if params != nil {
		out = append(append(out, `,"params":`...), params...)
	}
	return append(out, '}')
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
