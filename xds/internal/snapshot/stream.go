package snapshot

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/mooring-mcp/mooring/adapters"
)

// StreamID names one Envoy's stream for as long as that is open.
type StreamID int64

// Sent is a response on its way to an Envoy.
type Sent struct {
	Type resourcev3.Type
	// Nonce is what Envoy answers it with.
	Nonce string
	// Versions are those of the resources in it, by name.
	Versions map[string]string
	// Removed are the names of resources that are gone.
	Removed []string
}

// stream is one Envoy as it is known here.
type stream struct {
	// sent are the responses that are not answered yet, by nonce.
	sent map[string]Sent
	// accepted are the versions of resources that Envoy works with, by type and
	// name.
	accepted map[resourcev3.Type]map[string]string
}

// Opened takes note of a new stream.
func (l *Loop) Opened(id StreamID) {
	l.change(func(s *state) {
		s.streams[id] = &stream{
			sent:     make(map[string]Sent),
			accepted: make(map[resourcev3.Type]map[string]string),
		}
	})
}

// Closed forgets a stream.
func (l *Loop) Closed(id StreamID) {
	l.change(func(s *state) { delete(s.streams, id) })
}

// Subscribed takes note of what an Envoy already has when it first asks for a
// type: it comes from an earlier stream, and is not sent again if it is current.
func (l *Loop) Subscribed(id StreamID, typ resourcev3.Type, has map[string]string) {
	l.change(func(s *state) {
		if stream := s.streams[id]; stream != nil {
			stream.accepted[typ] = maps.Clone(has)
		}
	})
}

// Sending takes note of a response before it goes out.
func (l *Loop) Sending(id StreamID, response Sent) {
	// What an Envoy has not answered changes nothing that anybody is told.
	l.mu.Lock()
	defer l.mu.Unlock()
	if stream := l.state.streams[id]; stream != nil {
		stream.sent[response.Nonce] = response
	}
}

// Acked takes note that the response of that nonce was accepted.
func (l *Loop) Acked(id StreamID, nonce string) {
	l.change(func(s *state) {
		response, ok := s.answered(id, nonce)
		if !ok {
			return
		}
		l.metrics.acked(response.Type, true)
		s.streams[id].accept(response)
	})
}

// Nacked takes note that the response of that nonce was refused, with Envoy's
// words, and leaves out the adapters whose fault it is.
func (l *Loop) Nacked(id StreamID, nonce, message string) {
	l.change(func(s *state) {
		response, ok := s.answered(id, nonce)
		if !ok {
			return
		}
		l.metrics.acked(response.Type, false)
		suspects := s.suspects(s.streams[id], response, message)
		names := make([]string, 0, len(suspects))
		for _, uid := range suspects {
			names = append(names, s.records[uid].name)
		}
		l.config.Log.Error("envoy refused configuration", "type", shortType(response.Type),
			"adapters", names, "error", message)
		s.refuse(suspects, response.Type, message)
		s.refuseFilters(response)
		l.again()
	})
}

// change is the one way to change what is known of adapters and Envoys.
func (l *Loop) change(f func(*state)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.state)
	l.refresh()
}

func (s *state) answered(id StreamID, nonce string) (Sent, bool) {
	stream := s.streams[id]
	if stream == nil {
		return Sent{}, false
	}
	response, ok := stream.sent[nonce]
	delete(stream.sent, nonce)
	return response, ok
}

func (s *stream) accept(response Sent) {
	has := s.accepted[response.Type]
	if has == nil {
		has = make(map[string]string)
		s.accepted[response.Type] = has
	}
	maps.Copy(has, response.Versions)
	for _, name := range response.Removed {
		delete(has, name)
	}
}

// suspects are the adapters, in order of name, for whom Envoy may have refused
// the response. Where Envoy names resources, those are refused and the others
// of the response are accepted.
func (s *state) suspects(stream *stream, response Sent, message string) []adapters.UID {
	var named, changed []adapters.UID
	for id, rec := range s.records {
		if !rec.published || !rec.changedIn(response, s.routeNumbers, stream) {
			continue
		}
		changed = append(changed, id)
		if names(message, rec.resource()) {
			named = append(named, id)
			delete(response.Versions, rec.resource())
		}
	}
	suspects := changed
	if len(named) > 0 {
		suspects = named
		stream.accept(response)
	}
	slices.SortFunc(suspects, func(a, b adapters.UID) int {
		return cmp.Compare(s.records[a].name, s.records[b].name)
	})
	return suspects
}

// names reports whether Envoy's message is about that resource: "Error
// adding/updating cluster(s) NAME: reason, NAME: reason".
func names(message, resource string) bool { return strings.Contains(message, resource+": ") }

// changedIn reports whether the response brought something new of the adapter.
func (r *record) changedIn(response Sent, numbers map[string]int64, to *stream) bool {
	switch response.Type {
	case resourcev3.RouteType:
		return r.routesSince > to.routes(numbers)
	case resourcev3.ClusterType, resourcev3.EndpointType:
		_, ok := response.Versions[r.resource()]
		return ok
	default:
		return false
	}
}

// refuse leaves the suspects out: a single one for good, of several each until
// its trial.
func (s *state) refuse(suspects []adapters.UID, typ resourcev3.Type, message string) {
	switch len(suspects) {
	case 0:
	case 1:
		rec := s.records[suspects[0]]
		rec.refusal = &refusal{typ: typ, print: rec.prints[typ], message: message}
	default:
		s.trials.suspect(suspects)
	}
}
