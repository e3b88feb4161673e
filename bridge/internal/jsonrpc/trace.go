package jsonrpc

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// The keys of _meta that name the span which a message was sent in, of W3C's
// trace context.
const (
	metaTraceparent = "traceparent"
	metaTracestate  = "tracestate"
)

// maxTrace is the longest tracestate that W3C's trace context asks anybody to
// pass on.
const maxTrace = 512

// Traced are the edits by which the request text, of which m is the envelope,
// names another span: in its params._meta, which is added where there is none. A
// message without params stays as it is, and so does one whose _meta is no
// object. An empty tracestate takes the place of one that is there.
func Traced(m Message, text []byte, traceparent, tracestate string) []Edit {
	if traceparent == "" || m.Kind != Request || !isObject(m.At.Params, text) {
		return nil
	}
	if m.At.Meta == (Span{}) {
		return []Edit{member(m.At.Params, text, `"_meta":{`+members(traceparent, tracestate)+`}`)}
	}
	if !isObject(m.At.Meta, text) {
		return nil
	}
	if m.At.Traceparent == (Span{}) {
		edits := []Edit{}
		if m.At.Tracestate != (Span{}) {
			edits = append(edits, Edit{At: m.At.Tracestate, With: quoted(tracestate)})
			tracestate = ""
		}
		return append(edits, member(m.At.Meta, text, members(traceparent, tracestate)))
	}
	edits := []Edit{{At: m.At.Traceparent, With: quoted(traceparent)}}
	switch {
	case m.At.Tracestate != (Span{}):
		edits = append(edits, Edit{At: m.At.Tracestate, With: quoted(tracestate)})
	case tracestate != "":
		edits = append(edits, member(m.At.Meta, text, `"`+metaTracestate+`":`+string(quoted(tracestate))))
	}
	return edits
}

func members(traceparent, tracestate string) string {
	all := `"` + metaTraceparent + `":` + string(quoted(traceparent))
	if tracestate != "" {
		all += `,"` + metaTracestate + `":` + string(quoted(tracestate))
	}
	return all
}

// quoted is the text as JSON. What is no UTF-8, which no trace context is, is
// replaced.
func quoted(text string) []byte {
	out, _ := jsontext.AppendQuote(nil, text)
	return out
}

func isObject(at Span, text []byte) bool { return at != (Span{}) && text[at.Start] == '{' }

// member adds members to the beginning of an object.
func member(object Span, text []byte, members string) Edit {
	inside := object.Start + 1
	if rest := bytes.TrimLeft(text[inside:object.End], " \t\r\n"); len(rest) > 0 && rest[0] != '}' {
		members += ","
	}
	return Edit{At: Span{inside, inside}, With: []byte(members)}
}
