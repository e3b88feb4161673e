package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// measureMemory opens sessions and looks at what is between client and server,
// and at the servers, one way at a time.
func measureMemory(ctx context.Context, cfg Config, all []subject) error {
	fmt.Printf("\nmemory (proportional set size) with %d sessions that have made a call\n", cfg.Sessions)
	fmt.Printf("  %-24s %-8s %22s %14s %18s\n", "", "child", "between, no session", "with sessions", "servers, each")
	for _, sub := range chosen(cfg, all, "bridge, no spares", "bridge, npx resident") {
		if err := memoryOfWay(ctx, cfg, sub); err != nil {
			return err
		}
	}
	return nil
}

func memoryOfWay(ctx context.Context, cfg Config, sub subject) error {
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
	w.settle()
	// The server that serves HTTP by itself is its own bridge.
	parts := func() (between, servers []int) {
		if between, servers = w.split(); sub.name == direct {
			return servers, nil
		}
		return between, servers
	}
	between, _ := parts()
	empty := memoryOf(between...)
	for range cfg.Sessions {
		c := newClient(w.url, payload)
		if err := c.initialize(ctx); err != nil {
			return fmt.Errorf("%s: %w", sub.name, err)
		}
		if _, err := c.call(ctx); err != nil {
			return fmt.Errorf("%s: %w", sub.name, err)
		}
	}
	w.settle()
	between, servers := parts()
	each := 0.0
	if len(servers) > 0 {
		each = mib(memoryOf(servers...)) / float64(len(servers))
	}
	fmt.Printf("  %-24s %-8s %18.1f MiB %10.1f MiB %14.1f MiB\n", sub.name, childOf(sub), mib(empty), mib(memoryOf(between...)), each)
	return nil
}

// settle waits until the way's processes do nothing any more.
func (w *way) settle() {
	const quiet = 600 * time.Millisecond
	var last time.Duration
	since := time.Now()
	for begin := since; time.Since(since) < quiet && time.Since(begin) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		// An interpreter that waits for the disk does nothing either; loading one
		// has no pauses as long as that.
		if now := cpuOf(append(processesOf(w.process.PID()), w.process.PID())); now > last+tick {
			last, since = now, time.Now()
		}
	}
}
