package decide

import (
	"net/http"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/session"
)

// Event is what happened to a session.
type Event string

// The events.
const (
	EventNone    Event = ""
	EventCreated Event = "created"
	EventClosed  Event = "closed"
)

// headerEndpoint is the canonical name of what says which replica answered.
const headerEndpoint = "X-Mooring-Endpoint"

// headerUpstreamSession is where Envoy puts the upstream's session id, so that
// it can reach a client on no way. Mcp-Session-Id serves without it.
var headerUpstreamSession = http.CanonicalHeaderKey(contract.HeaderUpstreamSession)

// maxEndpoint bounds the address that goes into every token.
const maxEndpoint = 512

// Response judges the head of the answer to r: the birth and the end of
// sessions. What the upstream calls a session reaches the client never.
func (j *Judge) Response(r *Request, status int, header http.Header) (Decision, Event) {
	d := Decision{Remove: []string{fieldSession}, Metadata: r.metadata(contract.VerdictAllow)}
	good := status >= 200 && status < 300
	switch {
	case good && r.ends():
		return d, EventClosed
	case !good || !r.initializes():
		return d, EventNone
	}
	ids := header[headerUpstreamSession]
	if len(ids) == 0 {
		ids = header[headerSession]
	}
	if len(ids) == 0 {
		return d, EventNone // a server without sessions
	}
	upstream, endpoint := session.UpstreamID(ids[0]), session.UpstreamID(one(header[headerEndpoint]))
	if len(ids) > 1 || !upstream.Valid() {
		return r.refuse(refusal(http.StatusBadGateway, codeInternal, "upstream_session",
			"The server answered with a session id that the protocol does not allow.")), EventNone
	}
	if !endpoint.Valid() || len(endpoint) > maxEndpoint {
		return r.refuse(Internal("endpoint_unknown")), EventNone
	}
	id, hash, err := j.Sessions.Mint(session.Birth{
		Adapter: r.policy.UID, PolicyVersion: r.policy.Version,
		Endpoint: session.Endpoint(endpoint), Upstream: upstream,
		Principal: r.principal, Role: r.policy.Access().NeededRole(r.principal),
	})
	if err != nil {
		return r.refuse(Internal("session_unsigned")), EventNone
	}
	d.Set, d.Remove = []Field{{fieldSession, string(id)}}, nil
	d.Metadata.Session = hash
	return d, EventCreated
}

// one is the only value, or empty.
func one(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}
