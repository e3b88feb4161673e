package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

const (
	// slowdown is how much of a neighbour's load an adapter may feel.
	slowdown = 2
	// settled is how long calls come before those that are measured, with load and
	// without: what begins or ends a load, as a hundred connections and large bodies
	// do, is none of it.
	settled = 500 * time.Millisecond
	// samples are the calls of one round with or without load.
	samples = 250
	// leastRounds and mostRounds bound the rounds: the median of few is noise, and
	// another of many is no other.
	leastRounds, mostRounds = 5, 25
	// full is the limit of open requests of the adapter under load.
	full = 20
)

// TestNeighboursAreNotSlowed holds that an adapter answers as fast as ever while
// another is flooded, and while slow clients hold on to that. Calls with load and
// without take turns, so that what else the machine does is in both.
func TestNeighboursAreNotSlowed(t *testing.T) {
	m := harness.Start(t)
	deployForReaders(m, "calm", nil)
	deployForReaders(m, "busy", &adapters.TrafficLimits{ConcurrentRequests: full})
	calm, busy := reader(m, "ann").Initialize("calm"), reader(m, "bob").Initialize("busy")
	n := neighbours{t: t, m: m, calm: calm, busy: busy}
	t.Run("slow clients", func(t *testing.T) { n.compare(t, n.slowClients) })
	t.Run("flood", func(t *testing.T) {
		n.fill(t)
		n.compare(t, n.flood)
		if n.refused.Load() == 0 || n.other.Load() != 0 {
			t.Errorf("of the flood %d requests were refused, %d were not", n.refused.Load(), n.other.Load())
		}
	})
}

type neighbours struct {
	t          *testing.T
	m          *harness.Mooring
	calm, busy harness.Raw

	id             atomic.Int64
	refused, other atomic.Int64
}

// compare measures the calm adapter with load and without.
func (n *neighbours) compare(t *testing.T, load func(context.Context) (end func())) {
	t.Helper()
	var ratios []float64
	for {
		before := n.p99(t)
		ctx, cancel := context.WithCancel(t.Context())
		end := load(ctx)
		with := n.p99(t)
		cancel()
		end()
		ratios = append(ratios, float64(with)/float64(before))
		median := slices.Sorted(slices.Values(ratios))[len(ratios)/2]
		if len(ratios) >= leastRounds && median <= slowdown {
			t.Logf("p99 with load to p99 without: %.2f (median of %.2f)", median, ratios)
			return
		}
		if len(ratios) == mostRounds {
			t.Fatalf("p99 with load to p99 without: %.2f (median of %.2f)", median, ratios)
		}
	}
}

// p99 is what one call in a hundred to the calm adapter takes longer than.
func (n *neighbours) p99(t *testing.T) time.Duration {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < settled; {
		n.call(t)
	}
	took := make([]time.Duration, samples)
	for i := range took {
		took[i] = n.call(t)
	}
	slices.Sort(took)
	return took[samples*99/100]
}

// call is how long a call to the calm adapter takes.
func (n *neighbours) call(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	if answer := n.calm.Post(n.message("tools/list", "{}")); answer.Status != http.StatusOK {
		t.Fatalf("the calm adapter: status %d: %s", answer.Status, answer.Body)
	}
	return time.Since(start)
}

// message is a request with an id of its own.
func (n *neighbours) message(method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, n.id.Add(1), method, params)
}

// fill opens as many requests to the busy adapter as it takes, until the test
// ends.
func (n *neighbours) fill(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var held sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		held.Wait()
	})
	hold := fmt.Sprintf(`{"name":"hold","arguments":{"file":%q}}`, filepath.Join(t.TempDir(), "never"))
	for range full {
		held.Go(func() {
			// What looks whether it is full may have come first.
			for ctx.Err() == nil {
				n.send(ctx, n.message("tools/call", hold))
			}
		})
	}
	n.m.Await("the busy adapter is full", applied, func() bool {
		return n.busy.Post(n.message("tools/list", "{}")).Status == http.StatusServiceUnavailable
	})
}

// send sends a request to the busy adapter and reads the answer to its end, or
// until ctx ends.
func (n *neighbours) send(ctx context.Context, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.m.URL("/adapters/busy/mcp"), strings.NewReader(body))
	if err != nil {
		n.t.Error(err)
		return
	}
	for name, value := range n.headers() {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // ctx has ended
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // ends with ctx
}

func (n *neighbours) headers() map[string]string {
	return map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Session-Id": n.busy.ID,
		"Mcp-Protocol-Version": "2025-11-25", "X-Dev-UserId": "bob", "X-Dev-Roles": "reader",
	}
}

// flood asks the full adapter again and again, each second many times what it
// takes. One after the other: many at once would be about the processors that the
// clients here share with the gateway.
func (n *neighbours) flood(ctx context.Context) (end func()) {
	var clients sync.WaitGroup
	clients.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			clients.Go(func() {
				answer, err := n.busy.Try(http.MethodPost, n.message("tools/list", "{}"))
				if err == nil && answer.Status == http.StatusServiceUnavailable {
					n.refused.Add(1)
				} else {
					n.other.Add(1)
				}
			})
		}
	})
	return clients.Wait
}

// slowClients hold on to connections and requests of the busy adapter: with heads
// that do not end, bodies that drip, and answers that they do not read. All do when
// it returns.
func (n *neighbours) slowClients(ctx context.Context) (end func()) {
	var head strings.Builder
	fmt.Fprintf(&head, "POST /adapters/busy/mcp HTTP/1.1\r\nHost: %s\r\n", n.m.Listen)
	for name, value := range n.headers() {
		fmt.Fprintf(&head, "%s: %s\r\n", name, value)
	}
	large := n.message("tools/call", `{"name":"echo","arguments":{"text":"`+strings.Repeat("x", 512<<10)+`"}}`)
	var clients, begun sync.WaitGroup
	hold := func(every time.Duration, text, more string) {
		begun.Add(1)
		clients.Go(func() { n.drip(ctx, every, text, more, begun.Done) })
	}
	for i := range 100 {
		// No two keep the same time, and all together send less than a flood, so that
		// the processors which they share with the gateway are not what is measured.
		every := 2*time.Second + time.Duration(i)*10*time.Millisecond
		hold(every, head.String(), "X-Drip: x\r\n")
		hold(every, head.String()+"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "1\r\n \r\n")
	}
	for range full / 2 {
		text := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head.String(), len(large), large)
		hold(time.Second, text, "")
		large = strings.Replace(large, `"id":`, `"id":1`, 1)
	}
	begun.Wait()
	return clients.Wait
}

// drip sends text and then a little more each time, and reads nothing. It says when
// text is sent, or that it cannot be.
func (n *neighbours) drip(ctx context.Context, every time.Duration, text, more string, begun func()) {
	begun = sync.OnceFunc(begun)
	defer begun()
	conn, err := net.Dial("tcp", n.m.Listen)
	if err != nil {
		n.t.Errorf("a slow client: %v", err)
		return
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		n.t.Errorf("a slow client: %v", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for _, err := io.WriteString(conn, text); ctx.Err() == nil; _, err = io.WriteString(conn, more) {
		begun()
		if err != nil && ctx.Err() == nil {
			n.t.Errorf("a slow client was cut off: %v", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
