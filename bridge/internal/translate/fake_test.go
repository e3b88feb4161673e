package translate_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a server process whose messages the test reads and writes.
type fake struct {
	t       *testing.T
	in, out chan string
	stopped chan struct{}
}

func (f *fake) Send(message []byte) error {
	f.in <- string(message)
	return nil
}

func (f *fake) Receive() ([]byte, bool, error) {
	select {
	case text := <-f.out:
		return []byte(text), false, nil
	case <-f.stopped:
		return nil, false, errors.New("ended")
	}
}

func (f *fake) Stop()                  { close(f.stopped) }
func (f *fake) Ending() (string, bool) { return "exited with code 7", true }

// pair is a translated server: client is what the client's side reads.
type pair struct {
	*fake
	translated translate.Child
	client     chan string
}

func connect(t *testing.T, wrap func(translate.Child, translate.Options) translate.Child, opts translate.Options) *pair {
	t.Helper()
	opts.Log = slog.New(slog.DiscardHandler)
	f := &fake{t: t, in: make(chan string, 100), out: make(chan string), stopped: make(chan struct{})}
	p := &pair{fake: f, translated: wrap(f, opts), client: make(chan string, 100)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			message, _, err := p.translated.Receive()
			if err != nil {
				return
			}
			p.client <- string(message)
		}
	}()
	t.Cleanup(func() {
		p.translated.Stop()
		<-ended
		if t.Failed() {
			return
		}
		if len(p.client) > 0 {
			t.Errorf("the client got more: %s", <-p.client)
		}
		if len(f.in) > 0 {
			t.Errorf("the server got more: %s", <-f.in)
		}
	})
	return p
}

// send is what the client's side says.
func (p *pair) send(message string) {
	p.t.Helper()
	if err := p.translated.Send([]byte(message)); err != nil {
		p.t.Fatal(err)
	}
}

// say is what the server says.
func (p *pair) say(message string) {
	p.t.Helper()
	select {
	case p.out <- message:
	case <-time.After(10 * time.Second):
		p.t.Fatalf("nobody read %s", message)
	}
}

func (p *pair) next(from chan string) string {
	p.t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(10 * time.Second):
		p.t.Fatal("nothing came")
		return ""
	}
}

// server expects the server to get what is equal as JSON, where * stands for any
// string; it returns those strings.
func (p *pair) server(want string) []string {
	p.t.Helper()
	return p.same("server", p.next(p.in), want)
}

// got expects the client to get what is equal as JSON.
func (p *pair) got(want string) []string {
	p.t.Helper()
	return p.same("client", p.next(p.client), want)
}

func (p *pair) same(who, got, want string) (stars []string) {
	p.t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(got), &a), json.Unmarshal([]byte(want), &b)); err != nil {
		p.t.Fatalf("%s and %s: %v", got, want, err)
	}
	b = fill(b, a, &stars)
	if !reflect.DeepEqual(a, b) {
		p.t.Fatalf("the %s got\n%s, want\n%s", who, got, want)
	}
	return stars
}

// fill puts what is in got in the place of the stars in want.
func fill(want, got any, stars *[]string) any {
	switch w := want.(type) {
	case string:
		if text, ok := got.(string); ok && w == "*" {
			*stars = append(*stars, text)
			return text
		}
	case map[string]any:
		g, _ := got.(map[string]any)
		for name, value := range w {
			if name == "*" && len(g) == len(w) {
				for other, inner := range g {
					if _, named := w[other]; !named {
						*stars = append(*stars, other)
						w[other] = fill(value, inner, stars)
						delete(w, "*")
					}
				}
				continue
			}
			w[name] = fill(value, g[name], stars)
		}
	}
	return want
}

// with is the text with the % in it replaced in turn.
func with(text string, values ...string) string {
	for _, value := range values {
		text = strings.Replace(text, "%", value, 1)
	}
	return text
}
