// Package decide judges MCP requests: it takes a request as values and returns
// a Decision, and does no I/O but what an Authenticator does. It knows MCP and
// HTTP, and nothing of Envoy's protocols: how a decision reaches Envoy is the
// server's business.
//
// A request is judged in three steps, each with what is known by then: Head,
// Body and, where the decision asks for it, Response.
package decide

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
	"github.com/mooring-mcp/mooring/extproc/internal/session"
)

// Sessions mints and opens session ids. *session.Codec is one.
type Sessions interface {
	Mint(b session.Birth) (id session.ClientID, hash string, err error)
	Open(id session.ClientID, adapter adapters.UID, who adapters.Principal) (session.Session, error)
}

// Judge judges requests. It is safe for use by several goroutines.
type Judge struct {
	// Authenticator finds out who asks. Where it has a method ForAdapter, as
	// authn.Gate does, that of the adapter is asked.
	Authenticator authn.Authenticator
	// Sessions are the sessions of the legacy era.
	Sessions Sessions
	// Origins are the values of Origin that browsers may send. See Origins.
	Origins map[string]bool
	// Limiter counts requests, where there are limits of them.
	Limiter Limiter
	// Defaults are the limits of adapters that have none of their own. Zero
	// fields are no limit.
	Defaults adapters.TrafficLimits
	// Identities tells servers who calls, where adapters ask for that. Nil means
	// that requests to such adapters are refused.
	Identities Identities
	// Exchanger gets tokens for servers, where adapters ask for that. Nil, as in
	// development mode, means that requests to such adapters are refused.
	Exchanger Exchanger
	// MaxBody is the size of the largest body, in bytes, of any adapter.
	MaxBody int64
}

// Head is what a request begins with.
type Head struct {
	// Method is the HTTP method.
	Method string
	// Header holds the headers under their canonical names, without HTTP/2's
	// pseudo headers.
	Header http.Header
	// Bodiless says that the request ends with its headers.
	Bodiless bool
}

// Decision is what is to become of a request or of a response.
type Decision struct {
	// Refusal ends it. Nil means that it goes on, changed as the rest says.
	Refusal *Refusal
	// Set are headers to be set, whatever was sent, and Remove those to be
	// removed. Names are in lower case.
	Set    []Field
	Remove []string
	// Metadata is for the access log.
	Metadata Metadata
	// AwaitResponse says that Response is to be called with the head of the
	// answer.
	AwaitResponse bool
	// AwaitList says that List is to be called with it instead.
	AwaitList bool
}

// Field is a header field.
type Field struct{ Name, Value string }

// Metadata is what the access log learns of a request. Empty fields are
// unknown, or do not apply.
type Metadata struct {
	Adapter, Method, Tool, Principal, Session string
	// Listed is contract.ListedYes where the server has listed the tool, and
	// contract.ListedNo where it has not.
	Listed string
	// Who is the Principal.ID of who asks, and Principal its hash.
	Who string
	Era Era
	// Verdict is contract.VerdictAllow or the reason of the refusal.
	Verdict string
	// Trace is the id of the trace that the message names, where that is not its
	// request's.
	Trace string
	// Span is the span of the request itself, as contract.Judged has it.
	Span string
	// Lease is what the request is counted by until the access log says that it
	// has ended.
	Lease string
}

// Request is a request between the steps. It belongs to one goroutine.
type Request struct {
	policy    Policy
	head      Head
	principal adapters.Principal
	// hash is the principal's. Empty as long as there is none.
	hash    string
	message inspect.Message
	era     Era
	session session.Session
	maxBody int64
	// lease stands for the request where it is counted as open.
	lease string
	// upstream is what the server is told of who sent the request.
	upstream []Field
}

// Adapter is the name of the adapter that the request is for.
func (r *Request) Adapter() string { return r.policy.Adapter }

// MaxBody is the size of the largest body that r may have, in bytes.
func (r *Request) MaxBody() int64 { return r.maxBody }

// HasMessage says that Body wants a message: that of a POST. All other bodies
// must be empty.
func (r *Request) HasMessage() bool { return r.head.Method == http.MethodPost }

// Length is how many bytes the body has by its head, or -1 where that says
// nothing.
func (r *Request) Length() int {
	length, err := strconv.Atoi(one(r.head.Header["Content-Length"]))
	if err != nil {
		return -1
	}
	return length
}

// Head judges what can be judged before the body. Where it refuses, the
// Request is nil.
func (j *Judge) Head(ctx context.Context, policy Policy, head Head) (*Request, Decision) {
	r := &Request{policy: policy, head: head, maxBody: j.maxBody(policy)}
	if refusal := j.form(policy, head); refusal != nil {
		return nil, r.refuse(refusal)
	}
	principal, err := authn.ForAdapter(j.Authenticator, policy.Adapter).Authenticate(ctx, head.Header)
	if err != nil {
		return nil, r.refuse(unauthenticated(err))
	}
	r.principal, r.hash = principal, principal.Hash()
	if !policy.Access().MayRead(principal) {
		return nil, r.refuse(forbidden())
	}
	if refusal := j.tooFast(r); refusal != nil {
		return nil, r.refuse(refusal)
	}
	if refusal := r.headerEra(); refusal != nil {
		return nil, r.refuse(refusal)
	}
	if refusal := j.exchange(ctx, r); refusal != nil {
		return nil, r.refuse(refusal)
	}
	return r, Decision{}
}

// Body judges the whole request. err is what reading the body ended with, and
// message is set where there was none and HasMessage.
func (j *Judge) Body(r *Request, message inspect.Message, err error) Decision {
	if err != nil {
		return r.refuse(unread(err))
	}
	r.message = message
	if r.HasMessage() {
		if refusal := r.bodyEra(); refusal != nil {
			return r.refuse(refusal)
		}
	}
	if r.era == EraLegacy {
		if refusal := j.open(r); refusal != nil {
			return r.refuse(refusal)
		}
	}
	if refusal := r.mayCall(); refusal != nil {
		return r.refuse(refusal)
	}
	if refusal := j.upstream(r); refusal != nil {
		return r.refuse(refusal)
	}
	if refusal := j.tooOpen(r); refusal != nil {
		return r.refuse(refusal)
	}
	return r.allow()
}

// open finds the session of a request of the legacy era. An id of the client's
// own on initialize is ignored.
func (j *Judge) open(r *Request) *Refusal {
	ids := r.head.Header[headerSession]
	if r.initializes() || len(ids) == 0 {
		return nil
	}
	if len(ids) > 1 {
		return invalid("session_repeated", "Mcp-Session-Id is sent more than once.")
	}
	s, err := j.Sessions.Open(session.ClientID(ids[0]), r.policy.UID, r.principal)
	if err != nil {
		return unknownSession(err)
	}
	r.session = s
	return nil
}

// initializes reports whether r asks for a session.
func (r *Request) initializes() bool {
	return r.era == EraLegacy && r.message.Kind == inspect.Request && r.message.Method == methodInitialize
}

// ends reports whether r asks to end its session.
func (r *Request) ends() bool {
	return r.era == EraLegacy && r.head.Method == http.MethodDelete && r.session.Hash != ""
}

// allow lets r go on, to where its session lives if it has one.
func (r *Request) allow() Decision {
	d := Decision{
		Set:      append(append(make([]Field, 0, 3+len(r.upstream)), Field{fieldPrincipal, r.hash}), r.upstream...),
		Remove:   strip(r.head.Header, r.upstream),
		Metadata: r.metadata(contract.VerdictAllow),
		// Where a response may carry a session id that Envoy does not remove,
		// and where a session begins or ends.
		AwaitResponse: r.policy.Route == contract.RouteBirth || r.initializes() || r.ends(),
	}
	if r.listsTools() {
		d.AwaitResponse, d.AwaitList = false, true
		// An encoded list could not be read.
		d.Remove = append(d.Remove, "accept-encoding")
	}
	if r.session.Hash == "" {
		d.Remove = append(d.Remove, fieldSession, fieldEndpoint)
		return d
	}
	d.Set = append(d.Set, Field{fieldSession, string(r.session.Upstream)}, Field{fieldEndpoint, string(r.session.Endpoint)})
	return d
}

// refuse ends r.
func (r *Request) refuse(refusal *Refusal) Decision {
	if refusal.ID == nil {
		refusal.ID = r.message.ID
	}
	return Decision{Refusal: refusal, Metadata: r.metadata(refusal.Reason)}
}

func (r *Request) metadata(verdict string) Metadata {
	m := Metadata{
		Adapter: r.policy.Adapter, Method: bounded(r.message.Method), Session: r.session.Hash,
		Era: r.era, Verdict: verdict, Lease: r.lease, Principal: r.hash, Who: r.principal.ID(),
	}
	if r.message.Method == methodCallTool {
		m.Tool = bounded(r.message.Name)
		m.Listed = r.policy.isListed(r.message.Name)
	}
	return m
}

// maxLogged bounds the name of a method or tool in the access log.
const maxLogged = 128

func bounded(name string) string {
	if len(name) > maxLogged {
		return strings.ToValidUTF8(name[:maxLogged], "")
	}
	return name
}

// ID is the id that Envoy gave r, under which the access log tells of it too.
func (r *Request) ID() string { return r.head.Header.Get(headerRequestID) }
