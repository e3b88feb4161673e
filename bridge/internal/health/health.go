// Package health says how a bridge is: alive, and ready or why not. It decides
// nothing: others tell it.
package health

import (
	"net/http"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/adapters/launch/mask"
)

// State is where the bridge is in its life.
type State string

// The states of a bridge. Only Ready ones get new sessions.
const (
	Starting State = "Starting"
	Ready    State = "Ready"
	Failed   State = "Failed"
	Draining State = "Draining"
)

// The reasons for not being ready.
const (
	ReasonStarting          = "Starting"
	ReasonCommandNotFound   = "CommandNotFound"
	ReasonCommandExited     = "CommandExited"
	ReasonHandshakeFailed   = "HandshakeFailed"
	ReasonStartTimeout      = "StartTimeout"
	ReasonRemoteUnreachable = "RemoteUnreachable"
	ReasonCrashLoop         = "CrashLoop"
	ReasonDraining          = "Draining"
)

// Status is how the bridge is.
type Status struct {
	State State
	// Reason is one of the reasons, empty when Ready.
	Reason string
	// Message is a sentence for people who may see the adapter's logs, empty
	// when Ready.
	Message string
}

// Health holds the newest Status. The zero value is Starting.
type Health struct {
	// Mask takes secrets out of messages. Nil takes out nothing.
	Mask *mask.Mask
	// Tools are the names of the server's tools; nil means that they are not
	// known. Nil means that they never are.
	Tools func() []string

	mu       sync.Mutex
	status   Status
	draining bool
	restarts int
}

// Set replaces the status. While the bridge drains it has no effect.
func (h *Health) Set(s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Message = h.Mask.String(s.Message)
	h.status = s
}

// Restarted counts a server that was started anew after it had ended by itself.
func (h *Health) Restarted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restarts++
}

// Drain makes the state Draining for good.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Status returns the newest status.
func (h *Health) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return Status{Draining, ReasonDraining, "No new sessions: the bridge is about to end."}
	case h.status.State == "":
		return Status{Starting, ReasonStarting, "The bridge has just begun."}
	}
	return h.status
}

// Admit reports whether new sessions may be born, and if not, says why to
// clients: without what only the adapter's owner may see.
func (h *Health) Admit() (refusal string, ok bool) {
	switch s := h.Status(); s.State {
	case Ready:
		return "", true
	case Draining:
		return "this server takes no new sessions: it is about to end", false
	case Failed:
		return "the MCP server is not available (" + s.Reason + "); the adapter's status says why", false
	default:
		return "the MCP server is starting", false
	}
}

// Load is what the readiness answer says beside the status.
type Load struct {
	Sessions, InFlight int
}

// Live answers that the process is alive.
func Live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{\"state\":\"Alive\"}\n"))
}

// Serve answers with the status: 200 when Ready, 503 else.
func (h *Health) Serve(load func() Load) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s, l := h.Status(), load()
		var tools []string
		if h.Tools != nil {
			tools = h.Tools()
		}
		h.mu.Lock()
		restarts := h.restarts
		h.mu.Unlock()
		code := http.StatusServiceUnavailable
		if s.State == Ready {
			code = http.StatusOK
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		// Servers' last words may be invalid UTF-8, which is replaced.
		_ = json.MarshalWrite(w, struct {
			State    State    `json:"state"`
			Reason   string   `json:"reason"`
			Message  string   `json:"message"`
			Sessions int      `json:"sessions"`
			InFlight int      `json:"inFlight"`
			Restarts int      `json:"restarts"`
			Tools    []string `json:"tools,omitzero"`
		}{s.State, s.Reason, s.Message, l.Sessions, l.InFlight, restarts, tools}, jsontext.AllowInvalidUTF8(true))
	}
}
