package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// starts is how often a session is begun on each way.
const starts = 5

// measureStarts begins sessions of an npm package's server, one way at a time,
// and looks at what each of them costs.
func measureStarts(ctx context.Context, cfg Config, all []subject) error {
	fmt.Printf("\nnpx -y %s: median of %d session starts, and memory (proportional set size) that each adds\n", cfg.Package, starts)
	fmt.Printf("  %-24s %-8s %12s %15s %13s %14s\n", "", "child", "first ready", "session start", "per session", "sessions/GiB")
	for _, sub := range chosen(cfg, all, direct) {
		if err := startsOfWay(ctx, sub); err != nil {
			return err
		}
	}
	return coldStart(ctx, all)
}

// coldStart starts the bridge with an empty package cache.
func coldStart(ctx context.Context, all []subject) error {
	s, err := newStage()
	if err != nil {
		return err
	}
	defer s.close()
	for _, sub := range all {
		if sub.name != "bridge" {
			continue
		}
		w, err := s.start(ctx, sub, "npm_config_cache="+filepath.Join(s.dir, "cold"))
		if err != nil {
			return err
		}
		fmt.Printf("  bridge with an empty package cache: first ready after %s\n", shown(float64(w.took)))
	}
	return nil
}

func startsOfWay(ctx context.Context, sub subject) error {
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
	tree := func() int64 { return memoryOf(append(processesOf(w.process.PID()), w.process.PID())...) }
	before := tree()
	var took []float64
	for range starts {
		c := newClient(w.url, payload)
		begin := time.Now()
		if err := c.initialize(ctx); err != nil {
			return fmt.Errorf("%s: %w", sub.name, err)
		}
		took = append(took, float64(time.Since(begin)))
		w.settle()
	}
	fmt.Printf("  %-24s %-8s %12s %15s", sub.name, childOf(sub), shown(float64(w.took)), shown(median(took)))
	if sub.shared {
		fmt.Printf(" %13s %14s\n", "-", "-")
		return nil
	}
	each := mib(tree()-before) / starts
	fmt.Printf(" %9.1f MiB %14.0f\n", each, 1024/each)
	return nil
}
