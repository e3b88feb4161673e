package decide

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/mooring-mcp/mooring/adapters/rules"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
	"github.com/mooring-mcp/mooring/extproc/internal/toollist"
)

const (
	methodListTools = "tools/list"
	// headerLastEvent asks for what a broken stream had still to send, which may
	// be a list of tools.
	headerLastEvent = "Last-Event-Id"
)

// NeedsArguments reports whether Body judges the arguments of calls.
func (r *Request) NeedsArguments() bool {
	return r.policy.tools != nil && r.policy.tools.NeedsArguments()
}

// mayCall holds r to the adapter's rules for tools. A notification that names a
// tool is held to them as well: a server may take it for a call.
func (r *Request) mayCall() *Refusal {
	if r.policy.tools == nil || r.message.Method != methodCallTool {
		return nil
	}
	if !r.message.HasName {
		return refusal(http.StatusBadRequest, inspect.CodeInvalidParams, "tool_unnamed", "The call names no tool.")
	}
	ruling, err := r.policy.tools.Judge(rules.Call{
		Principal: r.principal, Method: r.message.Method, Tool: r.message.Name, Arguments: r.message.Arguments,
	})
	switch {
	case err != nil:
		return toolDenied("tool_rule_error")
	case ruling != rules.Allowed:
		return toolDenied("tool_" + string(ruling))
	}
	return nil
}

// toolDenied is the same whether the tool exists or not, and whether the rule
// said no or could not be computed.
func toolDenied(reason string) *Refusal {
	return refusal(http.StatusForbidden, codeInvalidRequest, reason, "You may not call this tool in this way.")
}

// listsTools reports whether the answer to r may list tools that must be left
// out of it.
func (r *Request) listsTools() bool {
	if r.policy.tools == nil {
		return false
	}
	return r.message.Method == methodListTools || r.head.Method == http.MethodGet && len(r.head.Header[headerLastEvent]) > 0
}

// Filtering is how the body of an answer is to be filtered.
type Filtering int

// The ways of filtering.
const (
	// FilterNothing lets the answer pass.
	FilterNothing Filtering = iota
	// FilterMessage is for one JSON-RPC message.
	FilterMessage
	// FilterStream is for an event stream.
	FilterStream
)

// List judges the head of an answer that may list tools. Bodiless says that it
// ends with its head. What cannot be filtered is refused; what is no success is
// none of the gateway's: clients choose their era from it.
func (j *Judge) List(r *Request, status int, header http.Header, bodiless bool) (Decision, Filtering) {
	d := Decision{Remove: []string{fieldSession}, Metadata: r.metadata(contract.VerdictAllow)}
	if status < 200 || status > 299 || bodiless {
		return d, FilterNothing
	}
	for _, encoding := range header["Content-Encoding"] {
		if !strings.EqualFold(encoding, "identity") {
			return r.refuse(unfiltered(errEncoded)), FilterNothing
		}
	}
	d.Remove = append(d.Remove, "content-length", "etag", "content-digest", "repr-digest")
	kind, _, err := mime.ParseMediaType(one(header["Content-Type"]))
	switch {
	case err == nil && kind == "application/json":
		return d, FilterMessage
	case err == nil && kind == "text/event-stream":
		return d, FilterStream
	}
	return r.refuse(unfiltered(errMediaType)), FilterNothing
}

var (
	errEncoded   = errors.New("the body is encoded")
	errMediaType = errors.New("the body is neither JSON nor an event stream")
)

// Shows says which tools the list in the answer to r may have.
func (r *Request) Shows() toollist.Shows { return r.policy.tools.Shown(r.principal, methodCallTool) }

// Unfiltered is the refusal of the answer to r for err.
func (r *Request) Unfiltered(err error) Decision { return r.refuse(unfiltered(err)) }

// unfiltered is the refusal of a list that could not be filtered.
func unfiltered(err error) *Refusal {
	if errors.Is(err, toollist.ErrTooLong) {
		return refusal(http.StatusBadGateway, codeInternal, "list_too_large", "The server's list of tools is too large for the adapter's tool rules to be applied.")
	}
	return refusal(http.StatusBadGateway, codeInternal, "list_unreadable", "The adapter's tool rules cannot be applied to the server's list of tools.")
}
