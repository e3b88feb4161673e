// Package jsonrpc looks at the envelopes of JSON-RPC messages without decoding
// what they carry, and writes the few messages that the bridge says itself. A
// message is bytes, which are passed on as they came: this package finds in
// them what routing needs (kind, id, method, progress token, version) and
// refuses what two parsers could read in two ways. It knows nothing of HTTP or
// processes. Rewrite changes parts of a message, and no other byte of it.
package jsonrpc

// Kind says what a message is.
type Kind int

const (
	// Invalid is the zero value: not a JSON-RPC message.
	Invalid Kind = iota
	// Request has a method and an id, and will be answered.
	Request
	// Notification has a method and no id.
	Notification
	// Response has an id, and a result or an error.
	Response
)

// ID is the canonical form of a request's id or of a progress token: equal
// ones are equal JSON values, however they were spelled. It tells strings from
// numbers. Empty means none.
type ID string

// Message is what was found in a message's envelope. Fields are empty where
// the message has no such thing.
type Message struct {
	Kind Kind
	// ID is the id of a Request or Response.
	ID ID
	// RawID is the id as it stands in the message: a part of its bytes.
	RawID []byte
	// Method is the method of a Request or Notification.
	Method string
	// ProgressToken is params._meta.progressToken of a Request, or
	// params.progressToken of a Notification.
	ProgressToken ID
	// SubscriptionID is _meta["io.modelcontextprotocol/subscriptionId"] in
	// params or result, which what belongs to a subscription has in the modern
	// era.
	SubscriptionID ID
	// RequestID is params.requestId, which notifications/cancelled has.
	RequestID ID
	// ProtocolVersion is protocolVersion in params or result, which initialize
	// and its answer have.
	ProtocolVersion string
	// MetaVersion is params._meta["io.modelcontextprotocol/protocolVersion"],
	// which requests of the modern era have.
	MetaVersion string
	// Name is params.name, which tools/call has.
	Name string
	// LogLevel is params._meta["io.modelcontextprotocol/logLevel"], by which a
	// request of the modern era asks for log messages.
	LogLevel string
	// Traceparent and Tracestate are those of params._meta: they name the span that
	// the message was sent in, if they are what they should be.
	Traceparent, Tracestate string
	// Failed says that a Response has an error instead of a result.
	Failed bool
	// ErrorCode and ErrorMessage are of the error, where they are a number and a
	// string.
	ErrorCode    int
	ErrorMessage string
	// Modern says that the result has supportedVersions, which only the answer to
	// server/discover has.
	Modern bool
	// IsError is result.isError, by which a tool says that it failed.
	IsError bool
	// At says where in the message the parts are that Rewrite may be asked to
	// change.
	At Places
}

// Places are where parts of a message stand in its bytes.
type Places struct {
	ID, ProgressToken, RequestID, SubscriptionID Span
	// Traceparent and Tracestate are the values of params._meta, of any kind.
	Traceparent, Tracestate Span
	// Params, Result and Meta are the whole values; Meta is that of params.
	Params, Result, Meta Span
}

// Span is a part of a message, from Start up to but not including End. The zero
// value says that the message has no such part.
type Span struct{ Start, End int }

// Of is the part of text that the span is.
func (s Span) Of(text []byte) []byte { return text[s.Start:s.End] }

// The methods that routing needs to know.
const (
	MethodInitialize = "initialize"
	MethodToolsCall  = "tools/call"
	MethodProgress   = "notifications/progress"
	MethodCancelled  = "notifications/cancelled"
	MethodMessage    = "notifications/message"
	MethodToolsList  = "tools/list"
	MethodListen     = "subscriptions/listen"
	MethodDiscover   = "server/discover"
)

// The _meta keys of the modern era: the first marks its requests, the last what
// belongs to a subscription.
const (
	metaProtocolVersion = "io.modelcontextprotocol/protocolVersion"
	metaLogLevel        = "io.modelcontextprotocol/logLevel"
	metaSubscription    = "io.modelcontextprotocol/subscriptionId"
)
