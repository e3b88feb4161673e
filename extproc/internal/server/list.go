package server

import (
	"errors"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/mooring-mcp/mooring/extproc/internal/decide"
	"github.com/mooring-mcp/mooring/extproc/internal/toollist"
)

// list filters an answer that may list tools.
func (c *conversation) list(request *decide.Request, head *extprocv3.HttpHeaders) error {
	status, header := responseOf(head)
	decision, filtering := c.judge.List(request, status, header, head.EndOfStream)
	switch {
	case decision.Refusal != nil:
		return c.refuse(request.Adapter(), decision)
	case filtering == decide.FilterMessage:
		return c.listMessage(request, decision)
	}
	if err := c.answer(responseHeadersResponse(decision), decision); err != nil || filtering == decide.FilterNothing {
		return over(err)
	}
	return c.listStream(request)
}

// listMessage filters an answer that is one message. The answer to its head
// waits until the list is filtered: after it no refusal would be possible.
func (c *conversation) listMessage(request *decide.Request, decision decide.Decision) error {
	text, pieces, err := c.answerBody()
	if err != nil && !errors.Is(err, toollist.ErrTooLong) {
		return over(err)
	}
	start := time.Now()
	if err == nil {
		text, err = toollist.Message(text, request.Shows())
	}
	c.metrics.took(phaseResponse, start)
	if err != nil {
		return c.refuse(request.Adapter(), request.Unfiltered(err))
	}
	if err := c.answer(responseHeadersResponse(decision), decision); err != nil {
		return over(err)
	}
	for range pieces - 1 {
		if err := c.send(responseBodyResponse(nil)); err != nil {
			return over(err)
		}
	}
	return over(c.send(responseBodyResponse(text)))
}

var errNoAnswerBody = errors.New("no body follows the head of an answer")

// answerBody reads the answer's body, which came in so many pieces.
func (c *conversation) answerBody() (text []byte, pieces int, err error) {
	for {
		piece, err := c.answerPiece()
		if err != nil {
			return nil, 0, err
		}
		pieces++
		if int64(len(text)+len(piece.Body)) > c.judge.MaxBody {
			return nil, 0, toollist.ErrTooLong
		}
		text = append(text, piece.Body...)
		if piece.EndOfStream {
			return text, pieces, nil
		}
	}
}

func (c *conversation) answerPiece() (*extprocv3.HttpBody, error) {
	message, err := c.stream.Recv()
	if err != nil {
		return nil, err
	}
	if piece := message.GetResponseBody(); piece != nil {
		return piece, nil
	}
	return nil, errNoAnswerBody
}

// listStream filters an event stream. Its head is gone already, and what is
// complete of it goes on at once: a list that cannot be filtered becomes an
// error in the stream, after which nothing more of it passes.
func (c *conversation) listStream(request *decide.Request) error {
	stream := toollist.NewStream(int(c.judge.MaxBody), request.Shows())
	broken := false
	for {
		piece, err := c.answerPiece()
		if err != nil {
			return over(err)
		}
		var out []byte
		if !broken {
			out, err = stream.Write(piece.Body)
			if err == nil && piece.EndOfStream {
				var rest []byte
				rest, err = stream.Close()
				out = append(out, rest...)
			}
			if err != nil {
				broken = true
				refused := request.Unfiltered(err)
				c.metrics.refused(request.Adapter(), refused.Refusal)
				out = append(out, "event: message\ndata: "+string(refused.Refusal.Body())+"\n\n"...)
			}
		}
		if err := c.send(responseBodyResponse(out)); err != nil || piece.EndOfStream {
			return over(err)
		}
	}
}
