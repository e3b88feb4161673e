package mcphttp

import (
	"net/http"
	"time"
)

// serveStream writes the stream to the client until it ends, the client goes,
// or another connection takes over. Its events have ids to resume from.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request, st *stream, rd *reader, prime bool) {
	out := newSSE(w)
	defer out.close()
	if prime {
		out.prime(eventID(st.id, rd.pos), h.cfg.Retry)
	} else {
		// Headers reach the client only with the first bytes through some proxies.
		out.comment("ok")
	}
	h.carry(r, out, st, rd, func(e event) string { return eventID(st.id, e.number) })
}

// relay writes a stream that cannot be resumed, until it ends or the client
// goes.
func (h *Handler) relay(w http.ResponseWriter, r *http.Request, st *stream, rd *reader) {
	out := newSSE(w)
	defer out.close()
	out.comment("ok")
	h.carry(r, out, st, rd, func(event) string { return "" })
}

// carry writes the events of a stream as they come, each with its id, and
// comments while there are none.
func (h *Handler) carry(r *http.Request, out *sseWriter, st *stream, rd *reader, id func(event) string) {
	keepAlive := time.NewTicker(h.cfg.KeepAlive)
	defer keepAlive.Stop()
	for {
		events, done := st.unread(rd)
		for _, e := range events {
			out.event(id(e), e.data)
		}
		if err := out.flush(); err != nil {
			return
		}
		if len(events) > 0 {
			st.written(rd, events[len(events)-1].number)
		}
		if done {
			return
		}
		select {
		case <-rd.wake:
		case <-rd.gone:
			return
		case <-r.Context().Done():
			return
		case <-keepAlive.C:
			out.comment("keep-alive")
		}
	}
}
