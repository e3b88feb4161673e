package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"time"
)

// recoverTimeout is how long a way may take to serve again.
const recoverTimeout = 10 * time.Second

// measureKill kills the servers of each way while nothing is in flight, and
// shows what the next call gets, and a session that is begun anew.
func measureKill(ctx context.Context, cfg Config, all []subject) error {
	fmt.Println("\nafter kill -9 of the server: the next call of the session, and a new session with a call")
	for _, sub := range chosen(cfg, all, direct, "bridge, npx resident") {
		if err := killWay(ctx, sub); err != nil {
			return err
		}
	}
	return nil
}

func killWay(ctx context.Context, sub subject) error {
	s, err := newStage()
	if err != nil {
		return err
	}
	defer s.close()
	w, err := s.start(ctx, sub)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c := newClient(w.url, payload)
	begin := time.Now()
	if err := c.initialize(ctx); err != nil {
		return fmt.Errorf("%s: %w", sub.name, err)
	}
	start := time.Since(begin)
	if _, err := c.call(ctx); err != nil {
		return fmt.Errorf("%s: %w", sub.name, err)
	}
	w.settle()
	_, servers := w.split()
	// A spare is younger than the server of the session that took the one before.
	slices.SortFunc(servers, func(a, b int) int { return cmp.Compare(startOf(a), startOf(b)) })
	if len(servers) == 0 {
		return fmt.Errorf("%s has no server", sub.name)
	}
	if err := syscall.Kill(servers[0], syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing the server of %s: %w", sub.name, err)
	}
	time.Sleep(200 * time.Millisecond) // clients come back later than that
	same := "goes on after "
	if took, err := c.callWithin(ctx); err != nil {
		same = brief(err)
	} else {
		same += shown(float64(took))
	}
	fmt.Printf("  %-24s session start %-8s  same: %-62s new: %s\n", sub.name, shown(float64(start)), same, again(ctx, w))
	return nil
}

// callWithin is call with a bound on how long it may take.
func (c *client) callWithin(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	return c.call(ctx)
}

// again begins sessions until one works, and says after how long.
func again(ctx context.Context, w *way) string {
	var last error
	for begin := time.Now(); time.Since(begin) < recoverTimeout; time.Sleep(50 * time.Millisecond) {
		c := newClient(w.url, payload)
		if last = c.initialize(ctx); last == nil {
			_, last = c.callWithin(ctx)
		}
		if last == nil {
			return "works after " + shown(float64(time.Since(begin)))
		}
		select {
		case <-w.process.Done():
			return "never: the bridge has ended with its server"
		default:
		}
	}
	return fmt.Sprintf("not within %v: %s", recoverTimeout, brief(last))
}

// brief is the error on one line of bounded length, without what is the same in
// all answers.
func brief(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if status, message, found := strings.Cut(text, `"message":`); found {
		text = status[:min(len(status), len("call: status 200"))] + ", " + message
	} else if status, message, found := strings.Cut(text, `"text":`); found {
		text = status[:min(len(status), len("call: status 200"))] + ", " + message
	}
	return fmt.Sprintf("%.60s", text)
}
