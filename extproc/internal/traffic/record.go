package traffic

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

// record is what counts of an entry.
type record struct {
	// id is the request's, and ended says that the request is over: before, the
	// rest is not complete.
	id    string
	ended bool
	// adapter is empty where no route of an adapter was taken.
	adapter string
	// method, tool and era are labels but for the tool, which is as the client
	// wrote it.
	method, tool, era string
	// listed says whether the server has the tool, in the words of
	// contract.Judged.
	listed string
	// session is the hash of a session that was verified, or empty.
	session string
	// code is the status of the answer; zero means that there was none.
	code  uint32
	flags []string
	// took is until the last byte of the answer.
	took time.Duration
	// received and sent are the bytes of head and body.
	received, sent uint64
	// trace is a trace id, or empty.
	trace string
}

// read is the record of an entry. It is false where the request was for no
// adapter's endpoint. One that Envoy could not read to its path may have been.
func read(entry *accesslog.Entry) (record, bool) {
	known, is := accesslog.KnownOf(entry)
	return record{
		id:       entry.ID,
		ended:    !entry.Open,
		method:   methodLabel(entry.Method, known.Method, known.Verdict),
		adapter:  known.Adapter,
		tool:     known.Tool,
		listed:   known.Listed,
		era:      eraLabel(known.Era),
		session:  known.Session,
		code:     entry.Status,
		flags:    flagsOf(entry.Flags),
		took:     entry.Took,
		received: entry.Received,
		sent:     entry.Sent,
		trace:    cmp.Or(known.Trace, traceOf(entry.Traceparent)),
	}, is
}

// traceOf is the trace id in a traceparent of W3C's trace context, if the trace is
// recorded, so that who follows the id finds something. Otherwise it is empty.
func traceOf(header string) string {
	const version, id, span, flags = 3, 32, 16, 2
	const flagsAt = version + id + 1 + span + 1
	if len(header) < flagsAt+flags || header[2] != '-' || header[version+id] != '-' || header[flagsAt-1] != '-' {
		return ""
	}
	trace := header[version : version+id]
	if strings.Trim(trace, "0123456789abcdef") != "" || strings.Trim(trace, "0") == "" {
		return ""
	}
	const sampled = 1
	if set, err := strconv.ParseUint(header[flagsAt:flagsAt+flags], 16, 8); err != nil || set&sampled == 0 {
		return ""
	}
	return trace
}

// verb is the HTTP method as a label, for requests that carry no message.
func verb(method string) string {
	switch method {
	case http.MethodGet, http.MethodDelete:
		return method
	case http.MethodPost, accesslog.MethodUnknown:
		return labelUnseen
	}
	return labelOther
}
