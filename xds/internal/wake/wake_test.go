package wake_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
	"github.com/mooring-mcp/mooring/xds/internal/wake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loop says what it is told to.
type loop struct {
	adapters.Notifier
	mu    sync.Mutex
	reach map[string]snapshot.Reach
}

func (l *loop) Reach(name string) (snapshot.Reach, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.reach[name]
	return r, ok
}

func (l *loop) set(name string, r snapshot.Reach) {
	l.mu.Lock()
	l.reach[name] = r
	l.mu.Unlock()
	l.Notify()
}

// world is a Waker at work.
type world struct {
	loop     *loop
	waker    *wake.Waker
	wakes    atomic.Int32
	wake     func(context.Context) error // nil where it always succeeds
	registry *prometheus.Registry
	end      func()
}

const (
	timeout   = time.Minute
	mostOfOne = 3
)

var asleep = snapshot.Reach{Wanted: true}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{loop: &loop{reach: map[string]snapshot.Reach{"one": asleep, "two": asleep}}, registry: prometheus.NewRegistry()}
	var err error
	w.waker, err = wake.New(wake.Config{
		Loop: w.loop, Timeout: timeout, Most: mostOfOne + 1, MostOfOne: mostOfOne, Registerer: w.registry,
		Wake: func(ctx context.Context, _ string) error {
			w.wakes.Add(1)
			if w.wake == nil {
				return nil
			}
			return w.wake(ctx)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.waker.Run(ctx)
	}()
	w.end = func() {
		cancel()
		<-done
	}
	synctest.Wait()
	return w
}

// send sends a request, whose answer comes at some time.
func (w *world) send(ctx context.Context, method, adapter string) <-chan *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, "http://"+contract.HostWaker+"/mcp", strings.NewReader("{}"))
	r.Header.Set(launch.HeaderAdapter, adapter)
	answers := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		to := httptest.NewRecorder()
		w.waker.Before(http.NotFoundHandler()).ServeHTTP(to, r)
		answers <- to
	}()
	synctest.Wait()
	return answers
}

func unsent(to *httptest.ResponseRecorder) bool {
	return to.Code == http.StatusServiceUnavailable && to.Header().Get(launch.HeaderUnsent) != ""
}

func refused(to *httptest.ResponseRecorder, part string) bool {
	return to.Code == http.StatusServiceUnavailable && to.Header().Get(launch.HeaderUnsent) == "" &&
		to.Header().Get("Retry-After") != "" && strings.Contains(to.Body.String(), part)
}

func (w *world) held(t *testing.T) int {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "mooring_wake_held_requests" {
			return int(f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	t.Fatal("no metric")
	return 0
}

// TestHeldUntilServed: several requests wake the adapter once, and are sent on once
// Envoys know a replica.
func TestHeldUntilServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		first, second := w.send(t.Context(), "POST", "one"), w.send(t.Context(), "GET", "one")
		if got := w.wakes.Load(); got != 1 || w.held(t) != 2 {
			t.Fatalf("woken %d times, %d are held", got, w.held(t))
		}
		time.Sleep(20 * time.Second)
		w.loop.set("one", snapshot.Reach{Wanted: true, Serves: true})
		synctest.Wait()
		if len(first) != 0 {
			t.Fatal("sent on before Envoys know")
		}
		w.loop.set("one", snapshot.Reach{Wanted: true, Serves: true, Programmed: true})
		if a, b := <-first, <-second; !unsent(a) || !unsent(b) {
			t.Errorf("answered %d and %d", a.Code, b.Code)
		}
		// What comes while an Envoy is late is sent on at once.
		if got := <-w.send(t.Context(), "POST", "one"); !unsent(got) || w.held(t) != 0 {
			t.Errorf("answered %d, %d are held", got.Code, w.held(t))
		}
		if n, err := testutil.GatherAndCount(w.registry, "mooring_wake_duration_seconds"); err != nil || n != 1 {
			t.Errorf("%d histograms, %v", n, err)
		}
	})
}

// TestSlowEnvoyHoldsNobodyUp: an Envoy that never accepts is not waited for.
func TestSlowEnvoyHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		answer := w.send(t.Context(), "POST", "one")
		w.loop.set("one", snapshot.Reach{Wanted: true, Serves: true})
		began := time.Now()
		if got := <-answer; !unsent(got) || time.Since(began) > 5*time.Second {
			t.Errorf("answered %d after %s", got.Code, time.Since(began))
		}
	})
}

// TestNotInTime: the client is told, with the reason, and to come again.
func TestNotInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		began := time.Now()
		answer := w.send(t.Context(), "POST", "one")
		failed := snapshot.Reach{Wanted: true, Reason: "ImagePullBackOff", FailedSince: began}
		w.loop.set("one", failed)
		if got := <-answer; !refused(got, "not ready in time: ImagePullBackOff") || time.Since(began) != timeout {
			t.Errorf("answered %d %s after %s", got.Code, got.Body, time.Since(began))
		}
		if got := int(w.wakes.Load()); got < 55 {
			t.Errorf("it was made sure only %d times that it is awake", got)
		}
		// By now it is known that it cannot start.
		time.Sleep(time.Second)
		if got := <-w.send(t.Context(), "POST", "one"); !refused(got, "can start: ImagePullBackOff") {
			t.Errorf("answered %d %s", got.Code, got.Body)
		}
	})
}

// TestBounds: one adapter has a share, and all together have one; who leaves makes
// room.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		ctx, leave := context.WithCancel(t.Context())
		left := w.send(ctx, "POST", "one")
		for range mostOfOne - 1 {
			w.send(t.Context(), "POST", "one")
		}
		if got := <-w.send(t.Context(), "POST", "one"); !refused(got, "too many") {
			t.Errorf("one more of the same: %d %s", got.Code, got.Body)
		}
		w.send(t.Context(), "POST", "two")
		if got := <-w.send(t.Context(), "POST", "two"); !refused(got, "too many") {
			t.Errorf("one more of all: %d %s", got.Code, got.Body)
		}
		leave()
		<-left
		again := w.send(t.Context(), "POST", "one")
		if w.held(t) != mostOfOne+1 || len(again) != 0 {
			t.Errorf("%d are held", w.held(t))
		}
	})
}

// TestNobodyWaits: without anybody who waits, nobody is woken.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		ctx, leave := context.WithCancel(t.Context())
		answer := w.send(ctx, "POST", "one")
		leave()
		<-answer
		before := w.wakes.Load()
		time.Sleep(time.Minute)
		if got := w.wakes.Load(); got != before {
			t.Errorf("woken %d times more", got-before)
		}
	})
}

// TestNotHeld: what there is nothing to wait for.
func TestNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.loop.set("none", snapshot.Reach{})
		for _, name := range []string{"none", "unknown", "Bad/Name", strings.Repeat("a", 100)} {
			if got := <-w.send(t.Context(), "POST", name); !refused(got, "no replica") {
				t.Errorf("%s: %d %s", name, got.Code, got.Body)
			}
		}
		if got := <-w.send(t.Context(), "DELETE", "one"); got.Code != http.StatusNoContent {
			t.Errorf("the end of a session: %d", got.Code)
		}
		if got := w.wakes.Load(); got != 0 {
			t.Errorf("woken %d times", got)
		}
	})
}

// TestEnd: at the end those that are held go to another control plane.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		answer := w.send(t.Context(), "POST", "one")
		w.end()
		if got := <-answer; !unsent(got) {
			t.Errorf("answered %d %s", got.Code, got.Body)
		}
		if got := <-w.send(t.Context(), "POST", "one"); !unsent(got) {
			t.Errorf("after the end %d %s", got.Code, got.Body)
		}
	})
}

// TestTooLarge: what Envoy would not have sent is refused, and nobody is woken.
func TestTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		r := httptest.NewRequest("POST", "http://"+contract.HostWaker+"/mcp", io.LimitReader(blanks{}, 17<<20))
		r.Header.Set(launch.HeaderAdapter, "one")
		to := httptest.NewRecorder()
		w.waker.ServeHTTP(to, r)
		if to.Code != http.StatusRequestEntityTooLarge || w.wakes.Load() != 0 {
			t.Errorf("answered %d %s, woken %d times", to.Code, to.Body, w.wakes.Load())
		}
	})
}

// blanks is text without an end.
type blanks struct{}

func (blanks) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = ' '
	}
	return len(into), nil
}

// TestWakingHangs: a replica that serves is seen while somebody's waking hangs, as
// when another control plane woke the adapter.
func TestWakingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		w.wake = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		answer := w.send(t.Context(), "POST", "one")
		w.loop.set("one", snapshot.Reach{Wanted: true, Serves: true, Programmed: true})
		if got := <-answer; !unsent(got) || time.Since(began) > timeout/2 {
			t.Errorf("answered %d after %s", got.Code, time.Since(began))
		}
	})
}

// TestOthersPass: what is not from Envoy's waker is the API's.
func TestOthersPass(t *testing.T) {
	w, err := wake.New(wake.Config{Timeout: 1, Most: 1, MostOfOne: 1, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Host = "gateway.example" },
		func(r *http.Request) { r.Header.Del(launch.HeaderAdapter) },
	} {
		r := httptest.NewRequest("POST", "http://"+contract.HostWaker+"/mcp", nil)
		r.Header.Set(launch.HeaderAdapter, "one")
		change(r)
		to := httptest.NewRecorder()
		w.Before(http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) { to.WriteHeader(http.StatusTeapot) })).ServeHTTP(to, r)
		if to.Code != http.StatusTeapot {
			t.Errorf("answered %d", to.Code)
		}
	}
	if _, err := wake.New(wake.Config{}); err == nil {
		t.Error("requests can be held without a bound")
	}
}
