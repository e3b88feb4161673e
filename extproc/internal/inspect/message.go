// Package inspect reads the body of an MCP request strictly: what it accepts,
// every JSON parser reads alike, and what it refuses, no upstream may see. It
// is total and bounded, takes the body as a stream in pieces of any size, and
// keeps of it only what a decision needs. It knows nothing of HTTP, policy or
// eras.
//
// Go's encoding/json takes keys of any case and the last of two equal ones,
// other parsers the first: a body that the gateway and a server read
// differently would carry one tool's name past the gateway and another's to
// the server.
package inspect

// Kind is what a message is.
type Kind int

// The kinds. The zero value is none of them.
const (
	// Request has a method and an id.
	Request Kind = iota + 1
	// Notification has a method and no id.
	Notification
	// Response has a result or an error.
	Response
)

// Message is what a decision needs of a JSON-RPC message.
type Message struct {
	Kind Kind
	// ID is the id as it stands in the body, byte for byte. Nil where there is
	// none.
	ID []byte
	// Method is empty in a response.
	Method string
	// Name is what the method is applied to, where its params say so:
	// params.name of tools/call and prompts/get, params.uri of the resources/
	// methods, params.taskId of the tasks/ methods.
	Name string
	// HasName tells an empty Name from an absent one.
	HasName bool
	// Arguments are params.arguments of tools/call, as the types of Go that JSON
	// has, whole numbers that fit being int64. Nil where there are none, or where
	// they were not to be kept.
	Arguments any
	// ProtocolVersion is that of params._meta. Empty where there is none.
	ProtocolVersion string
	// Traceparent and Tracestate are those of params._meta, as the client wrote
	// them. Empty where there are none, or where they are too long to be any.
	Traceparent, Tracestate string
}

// Fault is the error for a body that is refused. Its text is fit for clients:
// it repeats nothing of the body.
type Fault struct {
	// Reason is one of the Fault* constants, for metrics.
	Reason string
	// Code is the JSON-RPC error code.
	Code int
	// Message is a sentence.
	Message string
	// ID is the request's id as far as it is known: where the fault lies
	// behind it. Nil otherwise.
	ID []byte
}

// Error implements error.
func (f *Fault) Error() string { return f.Message }

// JSON-RPC error codes.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeInvalidParams  = -32602
)

// The reasons of faults.
const (
	FaultEmpty    = "body_empty"
	FaultTooLarge = "body_too_large"
	FaultSyntax   = "json_syntax"
	FaultUnsafe   = "json_ambiguous"
	FaultDepth    = "json_depth"
	FaultBatch    = "batch"
	FaultEnvelope = "envelope"
	FaultParams   = "params"
	FaultTrailers = "trailers"
)

// Trailers is the fault of a body that ends in trailers. Readers given to Read
// return it as their error.
func Trailers() *Fault {
	return &Fault{Reason: FaultTrailers, Code: CodeInvalidRequest, Message: "The request must not have trailers."}
}

func invalid(message string) *Fault {
	return &Fault{Reason: FaultEnvelope, Code: CodeInvalidRequest, Message: message}
}

const methodCallTool = "tools/call"

// nameField is which field of params says what a method is applied to.
func nameField(method string) string {
	switch method {
	case methodCallTool, "prompts/get":
		return "name"
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		return "uri"
	case "tasks/get", "tasks/update", "tasks/cancel", "tasks/result":
		return "taskId"
	}
	return ""
}
