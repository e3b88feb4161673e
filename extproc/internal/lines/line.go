package lines

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

// part is the program that lines are of: what they tell is what Envoy saw.
const part = "envoy"

// Keys that only these lines have.
const (
	keyMessageTrace  = "message_trace_id"
	keyEra           = "era"
	keyVerdict       = "verdict"
	keyHTTPMethod    = "http_method"
	keyPath          = "path"
	keyRoute         = "route"
	keyStatus        = "status"
	keyFlags         = "flags"
	keyUpstream      = "upstream"
	keyDuration      = "duration_ms"
	keyBytesReceived = "bytes_received"
	keyBytesSent     = "bytes_sent"
)

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// appendLine adds the line of an entry to out. What is not known is left out. There
// is never a query, a credential or a session id in it.
func appendLine(out []byte, entry *accesslog.Entry) []byte {
	known, _ := accesslog.KnownOf(entry)
	out = append(out, `{"time":"`...)
	out = entry.Start.UTC().AppendFormat(out, timeFormat)
	out = append(out, `","level":"INFO","msg":"request","`+logging.Part+`":"`+part+`"`...)
	out = appendText(out, logging.RequestID, entry.ID)
	out = appendText(out, logging.Adapter, known.Adapter)
	out = appendText(out, logging.Principal, known.Principal)
	out = appendText(out, logging.Session, known.Session)
	out = appendText(out, logging.Method, known.Method)
	out = appendText(out, logging.Tool, known.Tool)
	if entry.Trace.IsValid() {
		out = appendHex(out, logging.TraceID, entry.Trace[:])
	}
	if entry.Span.IsValid() {
		out = appendHex(out, logging.SpanID, entry.Span[:])
	}
	out = appendText(out, keyMessageTrace, known.Trace)
	out = appendText(out, keyEra, known.Era)
	out = appendText(out, keyVerdict, known.Verdict)
	out = appendText(out, keyHTTPMethod, entry.Written)
	out = appendText(out, keyPath, entry.Path)
	out = appendText(out, keyRoute, entry.Route)
	out = appendNumber(out, keyStatus, uint64(entry.Status))
	out = appendText(out, keyFlags, entry.Flags)
	out = appendText(out, keyUpstream, entry.Upstream)
	out = appendNumber(out, keyDuration, uint64(entry.Lasted/time.Millisecond))
	out = appendNumber(out, keyBytesReceived, entry.ReceivedBody)
	out = appendNumber(out, keyBytesSent, entry.SentBody)
	return append(out, '}', '\n')
}

func appendKey(out []byte, key string) []byte {
	out = append(out, ',', '"')
	out = append(out, key...)
	return append(out, '"', ':')
}

// appendText adds nothing where the text is empty.
func appendText(out []byte, key, text string) []byte {
	if text == "" {
		return out
	}
	return appendQuoted(appendKey(out, key), text)
}

func appendNumber(out []byte, key string, n uint64) []byte {
	return strconv.AppendUint(appendKey(out, key), n, 10)
}

func appendHex(out []byte, key string, id []byte) []byte {
	out = append(appendKey(out, key), '"')
	return append(hex.AppendEncode(out, id), '"')
}
