package main

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestEveryCallIsAnswered begins and ends sessions, with spares, while their
// processes are killed at random. BRIDGE_TEST_STRESS says for how long, each.
func TestEveryCallIsAnswered(t *testing.T) {
	duration := 2500 * time.Millisecond
	if text := os.Getenv("BRIDGE_TEST_STRESS"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(*Config){
		"isolated":         func(c *Config) { c.SessionRecovery, c.Spares = recoveryResume, 4 },
		"isolated, failed": func(c *Config) { c.Spares = 1 },
		"shared":           func(c *Config) { c.SessionRecovery, c.Process = recoveryResume, processShared },
	} {
		t.Run(name, func(t *testing.T) {
			instance := "stress-" + crand.Text()
			b := start(t, nil, func(c *Config) { c.Command, c.Instance = everything, instance; change(c) })
			b.await("Ready")
			s := &stress{t: t, url: b.url + "/mcp", client: b.client}
			ctx, cancel := context.WithTimeout(t.Context(), longestStress+duration)
			defer cancel()
			time.AfterFunc(duration, func() { s.enough.Store(true) })
			var group sync.WaitGroup
			for range 24 {
				group.Go(func() {
					for ctx.Err() == nil && !t.Failed() && !s.done() {
						s.session(ctx)
					}
					cancel()
				})
			}
			group.Go(func() { s.kill(ctx, instance) })
			group.Wait()
			t.Logf("%d sessions, %d results, %d errors, %d refusals, %d processes killed, the slowest answer took %v",
				s.sessions.Load(), s.results.Load(), s.errors.Load(), s.refusals.Load(), s.killed.Load(), time.Duration(s.slowest.Load()))
			if !s.done() && !t.Failed() {
				t.Error("nothing was shown")
			}
		})
	}
}

// stress is what was seen of many sessions.
type stress struct {
	t                                           *testing.T
	url                                         string
	client                                      *http.Client
	sessions, results, errors, refusals, killed atomic.Int64
	slowest                                     atomic.Int64 // ns
	enough                                      atomic.Bool  // it took as long as it should
}

// done reports whether it took long enough, and showed something: processes that
// are killed as they start, several in a row, make the bridge wait a while.
func (s *stress) done() bool {
	return s.enough.Load() && s.results.Load() > 0 && s.killed.Load() > 0
}

// longestStress is how much longer than asked it may take until something was
// shown.
const longestStress = time.Minute

// answerBound is how long a call may have no answer, whatever happens to its
// process, on a machine that has much else to do.
const answerBound = 20 * time.Second

// session begins a session, makes calls, and ends it or leaves it.
func (s *stress) session(ctx context.Context) {
	status, _, id := s.send(http.MethodPost, "", initialize)
	if status != http.StatusOK || id == "" {
		<-time.After(10 * time.Millisecond)
		return
	}
	s.sessions.Add(1)
	s.send(http.MethodPost, id, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	for n := range rand.IntN(20) {
		if ctx.Err() != nil {
			break
		}
		request := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"test_simple_text"}}`, n+2)
		status, answer, _ := s.send(http.MethodPost, id, request)
		own := strings.Contains(answer, fmt.Sprintf(`"id":%d`, n+2))
		switch {
		case status == http.StatusOK && own && strings.Contains(answer, `"result"`):
			s.results.Add(1)
		case status == http.StatusOK && own && strings.Contains(answer, `"error"`):
			s.errors.Add(1)
		case status == http.StatusNotFound:
			s.refusals.Add(1)
			return
		case status == http.StatusServiceUnavailable:
			s.refusals.Add(1)
		default:
			s.t.Errorf("a call has the answer %d %q", status, answer)
		}
	}
	s.send(http.MethodDelete, id, "")
}

// send sends one message, and fails the test where it has no answer in time.
func (s *stress) send(method, session, body string) (status int, answer, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), answerBound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return 0, "", ""
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	defer func(begin time.Time) {
		for took := time.Since(begin); ; {
			old := s.slowest.Load()
			if int64(took) <= old || s.slowest.CompareAndSwap(old, int64(took)) {
				return
			}
		}
	}(time.Now())
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Errorf("%s %.80s: %v", method, body, err)
		return 0, "", ""
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Errorf("%s %.80s: after %d %q: %v", method, body, resp.StatusCode, text, err)
	}
	return resp.StatusCode, string(bytes.TrimSpace(text)), resp.Header.Get("Mcp-Session-Id")
}

// kill kills processes of the instance until ctx ends: any of them, spares and
// those that end already included.
func (s *stress) kill(ctx context.Context, instance string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(rand.IntN(40)) * time.Millisecond):
		}
		pids := marked(s.t, "MOORING_INSTANCE="+instance)
		if len(pids) == 0 {
			continue
		}
		err := syscall.Kill(pids[rand.IntN(len(pids))], syscall.SIGKILL)
		switch {
		case err == nil:
			s.killed.Add(1)
		case !errors.Is(err, syscall.ESRCH):
			s.t.Error(err)
		}
	}
}
