package spare_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/bridge/internal/spare"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// child ends when it is stopped or killed.
type child struct {
	once sync.Once
	end  chan struct{}
}

func (c *child) Ended() bool {
	select {
	case <-c.end:
		return true
	default:
		return false
	}
}

func (c *child) Receive() (line []byte, cut bool, err error) {
	<-c.end
	return nil, false, errors.New("ended")
}

func (c *child) Stop() { c.once.Do(func() { close(c.end) }) }

// stage is a pool with what it has started.
type stage struct {
	*spare.Pool[*child]
	room atomic.Int64
	stop func()

	mu      sync.Mutex
	started []*child
}

func open(t *testing.T, want int, change func(*spare.Config[*child])) *stage {
	t.Helper()
	s := &stage{}
	s.room.Store(100)
	cfg := spare.Config[*child]{
		Start: s.start, Room: func() int { return int(s.room.Load()) }, Want: want,
		Delay: time.Millisecond, Look: time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond,
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	s.Pool = spare.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *stage) start() (*child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &child{end: make(chan struct{})}
	s.started = append(s.started, c)
	return c, nil
}

func (s *stage) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.started)
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s", what)
		}
	}
}

func TestSparesAreReplaced(t *testing.T) {
	s := open(t, 2, nil)
	await(t, "two", func() bool { return s.Len() == 2 })
	first, ok := s.Take()
	if !ok || first != s.started[0] {
		t.Fatal("the oldest is not taken first")
	}
	await(t, "replaced", func() bool { return s.Len() == 2 })
	if s.count() != 3 || first.Ended() {
		t.Errorf("%d were started; the one taken has ended: %t", s.count(), first.Ended())
	}
	s.stop()
	if first.Ended() || !s.started[1].Ended() || !s.started[2].Ended() {
		t.Error("at the end not just the spares are ended")
	}
	if _, ok := s.Take(); ok {
		t.Error("there are spares after the end")
	}
	if taken, missed := s.Counts(); taken != 1 || missed != 1 {
		t.Errorf("taken %d, missed %d", taken, missed)
	}
}

func TestNoSparesWithoutRoom(t *testing.T) {
	s := open(t, 3, nil)
	await(t, "three", func() bool { return s.Len() == 3 })
	s.room.Store(1)
	await(t, "one", func() bool { return s.Len() == 1 })
	s.room.Store(-4)
	await(t, "none", func() bool { return s.Len() == 0 })
	s.room.Store(9)
	await(t, "three again", func() bool { return s.Len() == 3 })
}

func TestDeadSparesAreNotTaken(t *testing.T) {
	s := open(t, 1, func(c *spare.Config[*child]) { c.Look = time.Hour })
	await(t, "one", func() bool { return s.Len() == 1 })
	s.started[0].Stop()
	if _, ok := s.Take(); ok {
		t.Fatal("a dead one is taken")
	}
	await(t, "replaced", func() bool { return s.Len() == 1 })
}

func TestServersThatDoNotWaitAreStartedLessAndLessOften(t *testing.T) {
	s := open(t, 1, func(c *spare.Config[*child]) {
		c.MinBackoff, c.MaxBackoff = 20*time.Millisecond, time.Hour
		start := c.Start
		c.Start = func() (*child, error) {
			dead, err := start()
			dead.Stop()
			return dead, err
		}
	})
	begin := time.Now()
	await(t, "four", func() bool { return s.count() == 4 })
	if took := time.Since(begin); took < 140*time.Millisecond {
		t.Errorf("four starts within %v", took)
	}
}

func TestFailingStartsAreTriedAgain(t *testing.T) {
	var tries atomic.Int64
	s := open(t, 1, func(c *spare.Config[*child]) {
		start := c.Start
		c.Start = func() (*child, error) {
			if tries.Add(1) < 3 {
				return nil, errors.New("no")
			}
			return start()
		}
	})
	await(t, "one", func() bool { return s.Len() == 1 })
}
