package probe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// shake sends messages, the last of which is a request, and waits for its answer.
func shake(child *stdio.Child, hello ...string) reply {
	for _, message := range hello {
		// A server that ends at once may do so before it reads; then how it ended
		// says more than that it could not be written to.
		if err := child.Send([]byte(message)); err != nil && !errors.Is(err, stdio.ErrEnded) {
			return reply{err: err}
		}
	}
	for {
		line, _, err := child.Receive()
		if err != nil {
			return reply{err: err}
		}
		line = jsonrpc.OneLine(line)
		if m, err := jsonrpc.ParseLenient(line); err == nil && m.Kind == jsonrpc.Response {
			return reply{m: m, line: line}
		}
	}
}

func (p *Prober) judge(m jsonrpc.Message, err error, child *stdio.Child) health.Status {
	switch {
	case errors.Is(err, stdio.ErrEnded):
		exit := child.Exit()
		exit.Lines = telling(exit.Lines)
		return failed(health.ReasonCommandExited, readNPM(p.cfg.NPMLogs).cause()+"the server "+exit.String())
	case err != nil:
		return failed(health.ReasonHandshakeFailed, err.Error()+lastWords(child))
	case m.Failed || m.ProtocolVersion == "" && !m.Modern:
		return failed(health.ReasonHandshakeFailed, "the server refused initialize"+refusal(m)+lastWords(child))
	}
	return health.Status{State: health.Ready}
}

// refusal is a clause with the server's own error.
func refusal(m jsonrpc.Message) string {
	if !m.Failed {
		return ": its answer names no protocol version"
	}
	text := []rune(m.ErrorMessage)
	if len(text) > maxRefusal {
		text = append(text[:maxRefusal], '…')
	}
	return fmt.Sprintf(" with error %d: %s", m.ErrorCode, string(text))
}

func failed(reason, message string) health.Status {
	return health.Status{State: health.Failed, Reason: reason, Message: sentence(message)}
}

// lastWords is a clause with the newest line of the server, or nothing.
func lastWords(child *stdio.Child) string {
	lines := child.LastLines()
	if len(lines) == 0 {
		return ""
	}
	return "; it wrote last: " + lines[len(lines)-1]
}

// sentence is the text with a capital and a full stop.
func sentence(text string) string {
	// npm's own name stays small.
	if !strings.HasPrefix(text, "npm ") {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
