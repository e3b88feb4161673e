package remote

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
)

// tally is a request whose answer says something of the server's tools, or of how
// the span of the request ends: it is read as it passes by, and nothing waits for
// that. A nil one is of no such request.
type tally struct {
	meter *tools.Meter // nil where it is for spans alone
	msg   jsonrpc.Message
	begun time.Time
	over  sync.Once
	spans exchange
}

// parsed is r with its message parsed, if that is looked for: few messages are
// worth it.
func (p *Proxy) parsed(r *http.Request) *http.Request {
	e := exchangeOf(r)
	if !p.cfg.Tracer.On() && (p.cfg.Tools == nil || !bytes.Contains(e.message, []byte("tools/"))) {
		return r
	}
	// What is no message is for the server to refuse.
	e.msg, _ = jsonrpc.ParseLenient(e.message)
	return e.with(r)
}

// tallyOf is the tally of a request, or nil.
func (p *Proxy) tallyOf(e exchange) *tally {
	if e.msg.Kind != jsonrpc.Request {
		return nil
	}
	t := &tally{msg: e.msg, begun: time.Now(), spans: e}
	if e.msg.Method == jsonrpc.MethodToolsCall || e.msg.Method == jsonrpc.MethodToolsList {
		t.meter = p.cfg.Tools
	}
	if t.meter == nil && e.served.Recorded() == "" {
		return nil
	}
	return t
}

// end notes how the request came out, if that was not known before.
func (t *tally) end(outcome tools.Outcome) { t.endWith(outcome, 0) }

// endWith is end for an answer with the code of an error; zero means none. An
// error of HTTP has none, and who saw it tells the spans.
func (t *tally) endWith(outcome tools.Outcome, code int) {
	if t == nil {
		return
	}
	t.over.Do(func() {
		shown := ""
		if t.meter != nil && t.msg.Method == jsonrpc.MethodToolsCall {
			shown = t.meter.Answered(t.msg.Name, outcome, time.Since(t.begun), t.spans.asked.Recorded())
		}
		for _, span := range []tracing.Span{t.spans.asked, t.spans.served} {
			if shown != "" {
				span.Name(tracing.SpanName(tracing.Message{Method: t.msg.Method, Tool: shown, NamesTool: true}))
			}
			if outcome != tools.Error || code != 0 {
				span.Result(outcome.Wrong(), code)
			}
		}
	})
}

// left is for a request that is over on this side. A client that leaves
// cancels.
func (t *tally) left(r *http.Request) {
	if r.Context().Err() != nil {
		t.end(tools.Cancelled)
		return
	}
	t.end(tools.Lost)
}

// elsewhere is for a request that another part has counted.
func (t *tally) elsewhere() {
	if t != nil {
		t.over.Do(func() {})
	}
}

// message looks at a message of the server, which may be the answer.
func (t *tally) message(text []byte) {
	m, err := jsonrpc.ParseLenient(text)
	if err != nil || m.Kind != jsonrpc.Response || m.ID != t.msg.ID {
		return
	}
	if t.meter != nil && t.msg.Method == jsonrpc.MethodToolsList && !m.Failed {
		t.meter.Learn(m.At.Result.Of(text))
	}
	t.endWith(tools.OutcomeOf(m), m.ErrorCode)
}

// listen makes the answer read along.
func (t *tally) listen(resp *http.Response) {
	if t == nil {
		return
	}
	coding := resp.Header.Get("Content-Encoding")
	switch {
	case coding != "" && !strings.EqualFold(coding, "identity"):
		t.end(tools.Unseen)
	case isSSE(resp):
		resp.Body = &overheard{ReadCloser: resp.Body, t: t, stream: true}
	case resp.StatusCode >= 300:
		// A refusal is one with whatever body.
		t.end(tools.Error)
	default:
		resp.Body = &overheard{ReadCloser: resp.Body, t: t}
	}
}

// overheard is an answer's body, unchanged: a stream of events, or one message.
type overheard struct {
	io.ReadCloser
	t      *tally
	stream bool
	named  bool   // events have ids, so that the answer may come with another stream
	long   bool   // what is being read is too long to be looked at
	missed bool   // something was
	cr     bool   // the last line ended in CR, of which LF may be the other half
	line   []byte // of a stream
	data   []byte // the message that is being read
}

// Read implements io.Reader.
func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if o.stream {
		o.scan(p[:n])
	} else {
		o.data = o.add(o.data, p[:n])
	}
	if err == io.EOF {
		o.finish()
	}
	return n, err
}

// finish looks at what there is at the end.
func (o *overheard) finish() {
	if !o.stream && !o.long {
		o.t.message(o.data)
	}
	if o.missed || o.named {
		o.t.end(tools.Unseen)
	}
	o.data, o.line = nil, nil
}

// add appends what is not too much.
func (o *overheard) add(to, text []byte) []byte {
	if o.long || len(to)+len(text) > maxAnswer {
		o.long, o.missed = true, true
		return nil
	}
	return append(to, text...)
}

// scan reads on in a stream.
func (o *overheard) scan(text []byte) {
	for len(text) > 0 {
		if o.cr && text[0] == '\n' {
			o.cr, text = false, text[1:]
			continue
		}
		end := bytes.IndexAny(text, "\r\n")
		o.cr = end >= 0 && text[end] == '\r'
		if end < 0 {
			o.line = o.add(o.line, text)
			return
		}
		if len(o.line) == 0 && end == 0 {
			o.event()
		} else {
			o.line = o.add(o.line, text[:end])
			o.field()
		}
		o.line, text = o.line[:0], text[end+1:]
	}
}

// event ends an event.
func (o *overheard) event() {
	if !o.long {
		o.t.message(o.data)
	}
	o.data, o.long = o.data[:0], false
}

// field takes a line of an event.
func (o *overheard) field() {
	name, value, _ := bytes.Cut(o.line, []byte(":"))
	switch string(name) {
	case "id":
		o.named = true
	case "data":
		if len(o.data) > 0 {
			o.data = o.add(o.data, []byte("\n"))
		}
		o.data = o.add(o.data, bytes.TrimPrefix(value, []byte(" ")))
	}
}
