package keys

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestPublishedFollowsTheFile: from before it is there, and over what cannot be
// believed.
func TestPublishedFollowsTheFile(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "keys.json")
	generate(t, dir)
	ring, _ := open(t, dir)
	log := &logBuffer{}
	p := NewPublished(file, slog.New(slog.NewTextHandler(log, nil)))
	if len(p.KeySet()) != 0 {
		t.Errorf("without a file: %s", p.KeySet())
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var changes atomic.Int32
	go func() { ended <- p.Run(ctx, func() { changes.Add(1) }) }()
	if err := ring.Publish(file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the keys are read", func() bool {
		return changes.Load() == 1 && strings.Contains(string(p.KeySet()), ring.SigningKeyID())
	})
	before := string(p.KeySet())
	if err := os.WriteFile(file, []byte(`{"keys":[{"kty":"EC","use":"sig","d":"AA"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a private key is told of", func() bool { return log.contains("published keys cannot be read") })
	if string(p.KeySet()) != before || changes.Load() != 1 {
		t.Errorf("%s after %d changes", p.KeySet(), changes.Load())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
