package stdio_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/bridge/internal/stdio"
)

// gone waits until the process is no more.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives on", pid)
		}
	}
}

func TestDaemonEndsWithItsChild(t *testing.T) {
	path := func(c *stdio.Command) { c.Env = append(c.Env, "PATH="+os.Getenv("PATH")) }
	r, log := run(t, "daemon", path)
	c, other := start(t, r), start(t, r)
	pid, others := familyPids(t, c)[0], familyPids(t, other)[0]
	drain(t, c)
	gone(t, pid)
	if err := syscall.Kill(others, 0); err != nil {
		t.Errorf("the daemon of another child: %v", err)
	}
	if !strings.Contains(log.String(), "outlived its server") {
		t.Error("nothing is logged")
	}
	drain(t, other)
	gone(t, others)
}

func TestRunEndsInSpiteOfADaemon(t *testing.T) {
	r := stdio.NewRunner(stdio.Command{
		Name: os.Args[0], Env: []string{modeVariable + "=daemon", "PATH=" + os.Getenv("PATH")}, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	c := start(t, r)
	pid := familyPids(t, c)[0]
	var reading sync.WaitGroup
	reading.Go(func() { drain(t, c) })
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run does not end")
	}
	reading.Wait()
	gone(t, pid)
}
