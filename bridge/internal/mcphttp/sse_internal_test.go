package mcphttp

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

func FuzzEventStream(f *testing.F) {
	f.Add("a_1", []byte(`{"jsonrpc":"2.0"}`))
	f.Add("_", []byte("{\r\n\"a\":\r1}\n\n"))
	f.Add("x_-1", []byte("id: 3\ndata: x"))
	f.Add("0_9223372036854775808", []byte("\u2028"))
	f.Fuzz(func(t *testing.T, id string, text []byte) {
		if stream, number, ok := parseEventID(id); ok {
			if s, n, ok := parseEventID(eventID(stream, number)); !ok || s != stream || n != number {
				t.Fatalf("%q became %q, %d, %v", id, s, n, ok)
			}
		}
		data := jsonrpc.OneLine(text)
		rec := httptest.NewRecorder()
		out := newSSE(rec)
		out.event("s_1", data)
		out.event("s_2", []byte("{}"))
		if err := out.flush(); err != nil {
			t.Fatal(err)
		}
		// As the specification of event streams has it, CR ends lines too.
		body := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(rec.Body.String())
		want := "id: s_1\nevent: message\ndata: " + string(data) + "\n\nid: s_2\nevent: message\ndata: {}\n\n"
		if body != want {
			t.Fatalf("got %q, want %q", body, want)
		}
	})
}

func TestStreamBounds(t *testing.T) {
	s := newStream("s", 3*(10+eventOverhead))
	add := func() int { return s.append(make([]byte, 10), false) }
	for range 3 {
		if lost := add(); lost != 0 {
			t.Fatalf("%d messages were lost within the bounds", lost)
		}
	}
	if lost := add(); lost != 1 {
		t.Errorf("beyond the bounds %d messages were lost", lost)
	}
	r := s.attach(-1, true)
	events, _ := s.unread(r)
	if len(events) != 3 || events[0].number != 2 {
		t.Fatalf("kept %d messages from number %d", len(events), events[0].number)
	}
	if s.attach(-1, true) != nil {
		t.Error("a second exclusive reader got on")
	}
	s.written(r, 4)
	if lost := add(); lost != 0 {
		t.Errorf("%d messages were lost that a client has seen", lost)
	}
	s.written(r, 5)
	if n := s.append(make([]byte, 1000), true); n != 0 || s.bytes() != 1000+eventOverhead {
		t.Errorf("a large last message: %d lost, %d bytes kept", n, s.bytes())
	}
}

func TestSlowReaderHoldsTheServerBack(t *testing.T) {
	s := newStream("s", 100)
	r := s.attach(0, true)
	added := make(chan struct{})
	go func() {
		defer close(added)
		for range 10 {
			s.append(make([]byte, 50), false)
		}
	}()
	seen := 0
	for seen < 10 {
		<-r.wake
		events, _ := s.unread(r)
		if len(events) > 3 {
			t.Fatalf("%d messages wait for a slow reader", len(events))
		}
		for _, e := range events {
			seen++
			if e.number != seen {
				t.Fatalf("message %d comes as %d", e.number, seen)
			}
			s.written(r, e.number)
		}
	}
	<-added
	s.append(make([]byte, 200), false)
	go s.detach(r)
	s.append(nil, false)
}
