package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/mooring-mcp/mooring/bridge/internal/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mooring.lock")
	owner, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(owner.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	l := lease.Lease{Path: path, Every: 5 * time.Millisecond, Grace: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := l.Run(ctx); err != nil {
		t.Fatalf("while the owner lives: %v", err)
	}
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, lease.ErrLost) {
		t.Errorf("after its end: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, lease.ErrLost) {
		t.Errorf("without the file: %v", err)
	}
}
