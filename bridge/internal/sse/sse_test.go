package sse_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/bridge/internal/sse"
)

func read(text string) (events []sse.Event, err error) {
	r := sse.NewReader(iotest.OneByteReader(strings.NewReader(text)), 100)
	for {
		e, err := r.Next()
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

func TestEvents(t *testing.T) {
	message := func(data string) sse.Event { return sse.Event{Name: "message", Data: []byte(data)} }
	for text, want := range map[string][]sse.Event{
		"":                                    nil,
		"data: a":                             nil,
		"data: a\n":                           nil,
		"data: a\n\n":                         {message("a")},
		"data:a\r\rdata: b\r\n\r\n":           {message("a"), message("b")},
		"data: a\r\n\r\ndata:  b\n\n":         {message("a"), message(" b")},
		"data: a\ndata\ndata: b\n\n":          {message("a\n\nb")},
		"data\n\n":                            {message("")},
		": comment\n\n:\nretry: 5\ndata:\n\n": {message("")},
		"\ufeffdata: a\n\n":                   {message("a")},
		"event: endpoint\ndata: /m?s=1\n\n":   {{Name: "endpoint", Data: []byte("/m?s=1")}},
		"event:\ndata: a\n\n":                 {message("a")},
		"event: lost\n\ndata: a\n\n":          {message("a")},
		"id: 1\ndata: a\n\ndata: b\n\nid: \x00\nid: 2\n\ndata: c\n\n": {
			{Name: "message", ID: "1", Data: []byte("a")}, {Name: "message", ID: "1", Data: []byte("b")}, {Name: "message", ID: "2", Data: []byte("c")},
		},
		"Data: a\n data: b\nunknown: c\n\n": nil,
	} {
		got, err := read(text)
		if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v, -want +got:\n%s", text, err, diff)
		}
	}
}

func TestLongEvents(t *testing.T) {
	for _, text := range []string{"data: " + strings.Repeat("a", 100), strings.Repeat("data: a\n", 20), strings.Repeat(":", 101)} {
		if got, err := read("data: a\n\n" + text); len(got) != 1 || !errors.Is(err, sse.ErrTooLong) {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
}

// FuzzReader holds that reading is the same however the bytes arrive, and that
// what was read, written again, reads the same.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{"data: a\r\n\r\n", "\ufeffevent: e\nid: 1\ndata: a\ndata: b\n\n", "data\r\rdata:x\n\n", ":\n\n\n", "id: \x00\ndata:\n\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		slow, err := read(text)
		fast, r := []sse.Event(nil), sse.NewReader(strings.NewReader(text), 100)
		for {
			e, fastErr := r.Next()
			if fastErr != nil {
				if !errors.Is(fastErr, err) {
					t.Fatalf("%v and %v", err, fastErr)
				}
				break
			}
			fast = append(fast, e)
		}
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Fatal(diff)
		}
		var again strings.Builder
		for _, e := range fast {
			again.WriteString("id: " + e.ID + "\nevent: " + e.Name + "\ndata: " + strings.ReplaceAll(string(e.Data), "\n", "\ndata: ") + "\n\n")
		}
		r = sse.NewReader(strings.NewReader(again.String()), 10_000)
		for _, want := range fast {
			if got, err := r.Next(); err != nil || cmp.Diff(want, got) != "" {
				t.Fatalf("%q: %+v became %+v, %v", again.String(), want, got, err)
			}
		}
	})
}
