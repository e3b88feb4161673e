package accesslog

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// MethodUnknown is Entry.Method where it is none that Envoy knows, or where it
// could not be read.
const MethodUnknown = "METHOD_UNSPECIFIED"

const (
	// timeBits are those of a positive time.Duration, and sizeBits of a size that
	// another can be added to.
	timeBits = 63
	sizeBits = 63
)

// Entry is what the log tells of a request. What is unknown is empty.
type Entry struct {
	// ID is the id that Envoy gave the request. One that it refused at once has
	// the client's own, if any.
	ID string
	// Open says that the request has not ended: the rest is not complete.
	Open bool
	// Start is when it began, and Took how long it took to the last byte of the
	// answer, if there was one, and else to the end. Lasted is always to the end.
	Start        time.Time
	Took, Lasted time.Duration
	// Source is the address of the client.
	Source string
	// Method is the HTTP method, or MethodUnknown, and Written what the client
	// wrote in its place.
	Method, Written string
	// Path is that of the request as it went on, without its query.
	Path string
	// Traceparent is the beginning of that header, as long as a trace needs.
	Traceparent string
	// Route is the name of the route that was taken.
	Route string
	// Upstream is the address of the server that the request went on to.
	Upstream string
	// Status is the status of the answer; zero means that there was none. Details
	// is Envoy's word for who gave it and why.
	Status  uint32
	Details string
	// Flags are Envoy's short names of what went wrong, separated by commas.
	Flags string
	// Received and Sent are the bytes of heads and bodies, and ReceivedBody and
	// SentBody those of bodies alone.
	Received, Sent, ReceivedBody, SentBody uint64
	// Recorded is the span of the request where there is to be one that Envoy does
	// not make by itself.
	Recorded tracing.Request
	// Trace and Span are the ids of the request's span, be it Envoy's or Recorded,
	// and where there is neither, Trace is that of the client. Else they are zero.
	Trace TraceID
	Span  SpanID
	// Judged is what the external processor told.
	Judged contract.Judged
	// Token is what the session's token said, where Envoy has verified one.
	Token Token
}

// TraceID is the id of a trace.
type TraceID = trace.TraceID

// SpanID is the id of a span in a trace.
type SpanID = trace.SpanID

// Token is what the log tells of the token of a session.
type Token struct{ Session, Principal, Issuer, Subject string }

// entryOf reads a record of the log. It is false where its line is none.
func entryOf(r record) (Entry, bool) {
	fields, ok := contract.SplitLog(valid(r.line))
	if !ok {
		return Entry{}, false
	}
	judged, ok := judgedOf(fields[contract.LogJudged])
	if !ok {
		return Entry{}, false
	}
	text := func(f contract.LogField) string { return known(fields[f]) }
	size := func(f contract.LogField) uint64 { return numberOf(fields[f], sizeBits) }
	e := Entry{
		ID: text(contract.LogID), Open: fields[contract.LogKind] == contract.LogKindOpen,
		Took: time.Duration(numberOf(fields[contract.LogDuration], timeBits)), Source: addressOf(fields[contract.LogSource]),
		Lasted: time.Duration(numberOf(fields[contract.LogOpenFor], timeBits-20)) * time.Millisecond,
		Method: methodOf(fields[contract.LogMethod]), Written: text(contract.LogMethod), Path: text(contract.LogPath),
		Traceparent: text(contract.LogTraceparent), Route: text(contract.LogRoute), Upstream: text(contract.LogUpstream),
		Status: uint32(numberOf(fields[contract.LogStatus], 32)), Details: text(contract.LogDetails), Flags: text(contract.LogFlags),
		ReceivedBody: size(contract.LogRequestBody), SentBody: size(contract.LogResponseBody),
		Judged: judged, Token: tokenOf(fields), Trace: r.trace, Span: r.span,
	}
	e.Received, e.Sent = size(contract.LogRequestHead)+e.ReceivedBody, size(contract.LogResponseHead)+e.SentBody
	if e.Took == 0 {
		e.Took = e.Lasted
	}
	if r.start > 0 {
		e.Start = time.Unix(0, int64(r.start)).UTC()
	}
	if !e.Trace.IsValid() {
		e.locate()
	}
	return e, true
}

// locate says which trace a request is in of which Envoy made no span.
func (e *Entry) locate() {
	if e.Judged.Span != "" {
		e.Recorded = tracing.DecodeRequest(e.Judged.Span)
		e.Trace, e.Span = e.Recorded.Span.TraceID(), e.Recorded.Span.SpanID()
		return
	}
	e.Trace = tracing.Context(e.Traceparent, "").TraceID()
}

// known is the text of a field, by itself: entries outlive the log that they
// came with.
func known(field string) string {
	if field == contract.LogAbsent {
		return ""
	}
	return strings.Clone(field)
}

func judgedOf(field string) (contract.Judged, bool) {
	if field == contract.LogAbsent {
		return contract.Judged{}, true
	}
	return contract.DecodeJudged(strings.Clone(field))
}

// tokenOf is the session's token, which has a hash of the session, always.
func tokenOf(fields [contract.LogFieldCount]string) Token {
	session := known(fields[contract.LogTokenSession])
	if session == "" {
		return Token{}
	}
	return Token{
		Session: session, Principal: known(fields[contract.LogTokenPrincipal]),
		Issuer: known(fields[contract.LogTokenIssuer]), Subject: strings.Clone(fields[contract.LogTokenSubject]),
	}
}

// numberOf is zero for what is no number of so many bits.
func numberOf(field string, bits int) uint64 {
	n, err := strconv.ParseUint(field, 10, bits)
	if err != nil {
		return 0
	}
	return n
}

// addressOf is empty for what is no address, as that of a Unix socket.
func addressOf(field string) string {
	if _, err := netip.ParseAddr(field); err != nil {
		return ""
	}
	return strings.Clone(field)
}

func methodOf(field string) string {
	for _, method := range [...]string{"POST", "GET", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH", "CONNECT", "TRACE"} {
		if field == method {
			return method
		}
	}
	return MethodUnknown
}

// valid is line with ! for each byte that is of no character: Envoy writes what
// clients sent as it is.
func valid(line string) string {
	if utf8.ValidString(line) {
		return line
	}
	var out strings.Builder
	for len(line) > 0 {
		r, size := utf8.DecodeRuneInString(line)
		if r == utf8.RuneError && size == 1 {
			out.WriteByte('!')
		} else {
			out.WriteString(line[:size])
		}
		line = line[size:]
	}
	return out.String()
}
