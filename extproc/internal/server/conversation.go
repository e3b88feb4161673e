package server

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"

	extprocfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
)

// conversation is the exchange over one HTTP request.
type conversation struct {
	*Server
	stream extprocv3.ExternalProcessor_ProcessServer
	// header is that of the request, and span is of its judgement: for the log.
	header http.Header
	span   tracing.Span
	// told is what the access log was told.
	told decide.Metadata
}

// run judges the request. Its error is that of the stream, or says that Envoy
// does not speak as it must.
func (c *conversation) run(policy decide.Policy) error {
	first, err := c.stream.Recv()
	if err != nil {
		return over(err)
	}
	head := first.GetRequestHeaders()
	if head == nil {
		if first.GetResponseHeaders() != nil {
			// An answer of Envoy's own to a request that never came this far.
			return nil
		}
		return c.misled("first_message")
	}
	if !head.EndOfStream && !streams(first.ProtocolConfig) {
		return c.misled("body_mode")
	}
	if policy.FiltersLists() && first.ProtocolConfig.GetResponseBodyMode() != extprocfilterv3.ProcessingMode_STREAMED {
		return c.misled("response_body_mode")
	}
	body := &body{stream: c.stream, ended: head.EndOfStream}
	request, decision, err := c.request(policy, head, body)
	switch {
	case err != nil:
		return over(err)
	case decision.Refusal != nil:
		return c.refuse(policy.Adapter, decision)
	}
	if c.Opened != nil && request.Streams() {
		c.Opened(policy.Adapter, request.ID())
	}
	if err := c.answer(headersResponse(decision), decision); err != nil || !decision.AwaitResponse && !decision.AwaitList {
		return over(err)
	}
	head, err = c.answerHead(body.pieces)
	switch {
	case err != nil:
		return over(err)
	case head == nil:
		return c.misled("response_message")
	case decision.AwaitList:
		return c.list(request, head)
	}
	return c.response(request, head)
}

// request judges head and body.
func (c *conversation) request(policy decide.Policy, head *extprocv3.HttpHeaders, body *body) (*decide.Request, decide.Decision, error) {
	begin, sent := time.Now(), headOf(head)
	c.header = sent.Header
	request, decision := c.judge.Head(c.stream.Context(), policy, sent)
	c.metrics.took(phaseHead, begin)
	if decision.Refusal != nil {
		c.record(begin, policy, inspect.Message{}, &decision)
		return nil, decision, nil
	}
	start := time.Now()
	defer func() { c.metrics.took(phaseBody, start) }()
	body.pause.most, body.pause.tell = c.pause, func() { c.late(request) }
	var message inspect.Message
	var err error
	content := inspect.AtMost(body, request.MaxBody())
	if whole := body.whole(request.Length()); whole != nil && int64(whole.Len()) <= request.MaxBody() {
		content = whole
	}
	switch {
	case !request.HasMessage():
		err = c.inspector.ReadNothing(content)
	case request.NeedsArguments():
		message, err = c.inspector.ReadWithArguments(content)
	default:
		message, err = c.inspector.Read(content)
	}
	if body.broken != nil {
		return nil, decide.Decision{}, body.broken
	}
	decision = c.judge.Body(request, message, err)
	c.record(begin, policy, message, &decision)
	return request, decision, nil
}

// answerHead lets the pieces of the body pass, and waits for the head of the
// answer. It is nil where something else came.
func (c *conversation) answerHead(pieces int) (*extprocv3.HttpHeaders, error) {
	for range pieces {
		if err := c.send(bodyResponse()); err != nil {
			return nil, err
		}
	}
	message, err := c.stream.Recv()
	if err != nil {
		return nil, err
	}
	return message.GetResponseHeaders(), nil
}

// response judges the head of the answer.
func (c *conversation) response(request *decide.Request, head *extprocv3.HttpHeaders) error {
	start := time.Now()
	status, header := responseOf(head)
	decision, event := c.judge.Response(request, status, header)
	c.metrics.took(phaseResponse, start)
	if decision.Refusal != nil {
		return c.refuse(request.Adapter(), decision)
	}
	c.metrics.session(request.Adapter(), event)
	return over(c.answer(responseHeadersResponse(decision), decision))
}

// late ends a request whose body does not come. The judging goroutine is waiting
// for it meanwhile, and says nothing more.
func (c *conversation) late(request *decide.Request) {
	if err := c.refuse(request.Adapter(), c.judge.Body(request, inspect.Message{}, decide.ErrPaused)); err != nil {
		c.about(request.Adapter(), decide.Metadata{}).Debug("answering a body that paused", "error", err)
	}
}

// unruled ends a request that came without a policy by which it could be judged.
func (c *conversation) unruled(cause error) error {
	first, err := c.stream.Recv()
	if err != nil {
		return over(err)
	}
	if head := first.GetRequestHeaders(); head != nil {
		c.header = headOf(head).Header
	}
	c.about("", decide.Metadata{}).Error("request without a usable policy", "error", cause)
	return c.unjudged("policy")
}

// unjudged ends a request of which nothing is known.
func (c *conversation) unjudged(reason string) error {
	return c.refuse("", decide.Decision{Refusal: decide.Internal(reason), Metadata: decide.Metadata{Verdict: reason}})
}

// refuse ends the HTTP request. Envoy drops what else comes of it.
func (c *conversation) refuse(adapter string, decision decide.Decision) error {
	c.metrics.refused(adapter, decision.Refusal)
	if c.log.Enabled(c.stream.Context(), slog.LevelDebug) {
		c.about(adapter, decision.Metadata).Debug("refused", "reason", decision.Refusal.Reason, "status", decision.Refusal.Status)
	}
	if cause := decision.Refusal.Cause; cause != nil {
		c.about(adapter, decision.Metadata).Warn("a request cannot go on", "reason", decision.Refusal.Reason, "error", cause)
	}
	return over(c.answer(immediateResponse(decision), decision))
}

// about is the log for lines that belong to the request.
func (c *conversation) about(adapter string, m decide.Metadata) *slog.Logger {
	trace, span := c.span.IDs()
	if trace == "" {
		origin := tracing.Origin{Transport: tracing.Context(c.header.Get(tracing.Traceparent), "")}
		trace = origin.TraceID()
	}
	return c.log.With(logging.RequestID, c.header.Get("X-Request-Id"), logging.Adapter, adapter, logging.Principal, m.Principal,
		logging.Session, m.Session, logging.Method, m.Method, logging.Tool, m.Tool, logging.TraceID, trace, logging.SpanID, span)
}

// misled ends a request that Envoy hands over in a way that was not agreed.
func (c *conversation) misled(reason string) error {
	c.about("", decide.Metadata{}).Error("Envoy's ext_proc filter is not configured as it must be", "reason", reason)
	return c.unjudged(reason)
}

// answer answers Envoy as the decision says. To what the access log was told before
// it adds what that tells: Envoy keeps all fields but those that come again, and
// one has all of it.
func (c *conversation) answer(response *extprocv3.ProcessingResponse, d decide.Decision) error {
	was, m := c.told, d.Metadata
	c.told = decide.Metadata{
		Adapter: cmp.Or(m.Adapter, was.Adapter), Method: cmp.Or(m.Method, was.Method), Tool: cmp.Or(m.Tool, was.Tool),
		Principal: cmp.Or(m.Principal, was.Principal), Session: cmp.Or(m.Session, was.Session), Listed: cmp.Or(m.Listed, was.Listed),
		Who: cmp.Or(m.Who, was.Who), Era: cmp.Or(m.Era, was.Era), Verdict: cmp.Or(m.Verdict, was.Verdict),
		Trace: cmp.Or(m.Trace, was.Trace), Span: cmp.Or(m.Span, was.Span), Lease: cmp.Or(m.Lease, was.Lease),
	}
	response.DynamicMetadata = dynamicMetadata(c.told)
	return c.send(response)
}

// send is the only place that answers Envoy.
func (c *conversation) send(response *extprocv3.ProcessingResponse) error {
	return c.stream.Send(response)
}

// streams reports whether Envoy sends the body without waiting for the answer
// to the head: anything else would wait for each other for ever.
func streams(config *extprocv3.ProtocolConfiguration) bool {
	return config.GetRequestBodyMode() == extprocfilterv3.ProcessingMode_STREAMED &&
		config.GetSendBodyWithoutWaitingForHeaderResponse()
}
