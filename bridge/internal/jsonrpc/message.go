// Package jsonrpc looks at the envelopes of JSON-RPC messages without decoding
// what they carry, and writes the few messages that the bridge says itself. A
// message is bytes, which are passed on as they came: this package finds in
// them what routing needs (kind, id, method, progress token, version) and
// refuses what two parsers could read in two ways. It knows nothing of HTTP or
// processes, and never rewrites a message.
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
	// Failed says that a Response has an error instead of a result.
	Failed bool
	// IsError is result.isError, by which a tool says that it failed.
	IsError bool
}

// The methods that routing needs to know.
const (
	MethodInitialize = "initialize"
	MethodToolsCall  = "tools/call"
	MethodProgress   = "notifications/progress"
	MethodCancelled  = "notifications/cancelled"
)

// metaProtocolVersion is the _meta key that marks a request of the modern era.
const metaProtocolVersion = "io.modelcontextprotocol/protocolVersion"
