package shared_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/bridge/internal/shared"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a process whose messages the test reads and writes.
type fake struct {
	in      chan string
	out     chan string
	stopped chan struct{}
	once    sync.Once
}

func newFake() *fake {
	return &fake{in: make(chan string, 100), out: make(chan string), stopped: make(chan struct{})}
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

func (f *fake) Stop()                  { f.once.Do(func() { close(f.stopped) }) }
func (f *fake) Ending() (string, bool) { return "exited with code 7", true }

func (f *fake) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-f.in:
		if !strings.Contains(got, want) {
			t.Fatalf("the server got %s, want %s", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the server never got %s", want)
	}
}

func receive(t *testing.T, p *shared.Part, want string) {
	t.Helper()
	got, _, err := p.Receive()
	if err != nil || string(got) != want {
		t.Fatalf("got %s, %v, want %s", got, err, want)
	}
}

func send(t *testing.T, p *shared.Part, message string) {
	t.Helper()
	if err := p.Send([]byte(message)); err != nil {
		t.Fatal(err)
	}
}

// two is a pool of one process with two sessions.
func two(t *testing.T) (f *fake, a, b *shared.Part) {
	t.Helper()
	f = newFake()
	pool := shared.NewPool(func() (shared.Child, error) { return f, nil }, 0, slog.New(slog.DiscardHandler))
	var parts [2]*shared.Part
	for i := range parts {
		part, err := pool.Join()
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = part
		t.Cleanup(part.Stop)
	}
	f.expect(t, `"method":"initialize"`)
	return f, parts[0], parts[1]
}

func TestOneInitializeServesAll(t *testing.T) {
	f, a, b := two(t)
	send(t, a, `{"jsonrpc":"2.0","id":"early","method":"initialize","params":{"protocolVersion":"2025-11-25"}}`)
	f.out <- `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}`
	receive(t, a, `{"jsonrpc":"2.0","id":"early","result":{"protocolVersion":"2025-11-25"}}`)
	f.expect(t, "notifications/initialized")
	send(t, b, `{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`)
	receive(t, b, `{"jsonrpc":"2.0","id":7,"result":{"protocolVersion":"2025-11-25"}}`)
	send(t, b, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	send(t, b, `{"jsonrpc":"2.0","id":8,"method":"ping"}`)
	receive(t, b, `{"jsonrpc":"2.0","id":8,"result":{}}`)
	if len(f.in) > 0 {
		t.Errorf("the server got %s", <-f.in)
	}
}

func TestMessagesReachTheirSession(t *testing.T) {
	f, a, b := two(t)
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":"t"}}}`
	send(t, a, call)
	f.expect(t, `"id":1,"method":"tools/call","params":{"_meta":{"progressToken":1}}`)
	send(t, b, call)
	f.expect(t, `"id":2,"method":"tools/call","params":{"_meta":{"progressToken":2}}`)
	log := `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}`
	f.out <- log // about one of the two: for nobody
	f.out <- `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2}}`
	receive(t, b, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}`)
	f.out <- `{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage"}`
	f.expect(t, `"id":9,"error":{"code":-32601`)
	send(t, b, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	f.expect(t, `"requestId":2}`)
	f.out <- `{"jsonrpc":"2.0","id":2,"result":{}}`
	receive(t, b, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	f.out <- log
	receive(t, a, log)
	f.out <- `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`
	receive(t, a, `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`)
}

func TestSubscriptions(t *testing.T) {
	f, a, b := two(t)
	subscribe := `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"u"}}`
	for i, part := range []*shared.Part{a, b} {
		send(t, part, subscribe)
		f.expect(t, "resources/subscribe")
		f.out <- `{"jsonrpc":"2.0","id":` + []string{"1", "2"}[i] + `,"result":{}}`
		receive(t, part, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}
	send(t, a, strings.Replace(subscribe, "subscribe", "unsubscribe", 1))
	receive(t, a, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	updated := `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u"}}`
	changed := `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	f.out <- updated
	f.out <- changed
	receive(t, a, changed)
	receive(t, b, updated)
	receive(t, b, changed)
	if len(f.in) > 0 {
		t.Errorf("the server got %s", <-f.in)
	}
}

func TestTheLastOneEndsTheProcess(t *testing.T) {
	f, a, b := two(t)
	send(t, a, `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`)
	f.expect(t, "tools/call")
	a.Stop()
	f.expect(t, `"requestId":1,`)
	if _, _, err := a.Receive(); err == nil {
		t.Error("the session goes on")
	}
	if err := a.Send([]byte(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)); err != nil {
		t.Errorf("sending after the end: %v", err)
	}
	select {
	case <-f.stopped:
		t.Fatal("the process is stopped while it is used")
	default:
	}
	b.Stop()
	<-f.stopped
	if got, _ := b.Ending(); got != "exited with code 7" {
		t.Errorf("it %s", got)
	}
}

// TestOneIsToldOfTheEnd: the end of a process counts once, however many sessions
// it had.
func TestOneIsToldOfTheEnd(t *testing.T) {
	f, a, b := two(t)
	f.Stop()
	tellings := 0
	for _, part := range []*shared.Part{a, b} {
		if _, _, err := part.Receive(); err == nil {
			t.Fatal("the session goes on")
		}
		how, first := part.Ending()
		if how != "exited with code 7" {
			t.Errorf("it %s", how)
		}
		if first {
			tellings++
		}
	}
	if tellings != 1 {
		t.Errorf("%d sessions were told first", tellings)
	}
}

// TestLifetime: sessions that begin when the process is too old get another one;
// the old one ends with the sessions that it has.
func TestLifetime(t *testing.T) {
	const lifetime = 20 * time.Millisecond
	var all []*fake
	pool := shared.NewPool(func() (shared.Child, error) {
		all = append(all, newFake())
		return all[len(all)-1], nil
	}, lifetime, slog.New(slog.DiscardHandler))
	join := func() *shared.Part {
		part, err := pool.Join()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(part.Stop)
		return part
	}
	old := join()
	<-time.After(lifetime + time.Millisecond)
	join()
	if len(all) != 2 {
		t.Fatalf("there were %d processes", len(all))
	}
	all[0].expect(t, `"method":"initialize"`)
	send(t, old, `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`)
	all[0].expect(t, "tools/call")
	all[0].out <- `{"jsonrpc":"2.0","id":1,"result":{}}`
	receive(t, old, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	old.Stop()
	<-all[0].stopped
	select {
	case <-all[1].stopped:
		t.Error("the new process is stopped")
	default:
	}
}
