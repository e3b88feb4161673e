package feed_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/apikeys/apikeystest"
	"github.com/mooring-mcp/mooring/adapters/apikeys/feed"
	"github.com/mooring-mcp/mooring/adapters/mtls"
	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// identity is a part of the installation, named localhost.
func identity(t *testing.T, a *mtlstest.Authority) *mtls.Identity {
	t.Helper()
	dir := t.TempDir()
	a.Write(dir, "localhost")
	i, err := mtls.Open(dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// serve is a control plane at the address, until it is told to end.
func serve(t *testing.T, address string, config *tls.Config, document apikeys.Document) (at string, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	feed.Register(s, document)
	done := make(chan error, 1)
	go func() { done <- s.Serve(tls.NewListener(l, config)) }()
	end = func() {
		s.Stop()
		<-done
	}
	return l.Addr().String(), end
}

// awaitFile waits until the file has, or has not, a part.
func awaitFile(t *testing.T, path, part string, has bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(10 * time.Second); ; {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), part) == has {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%q in the file: never %v", part, has)
		}
	}
}

// TestFollow: changes arrive, what was known outlives the control plane, and the
// next one is found.
func TestFollow(t *testing.T) {
	authority, document := mtlstest.NewAuthority(t), new(apikeystest.Document)
	config := identity(t, authority).Server("h2")
	address, end := serve(t, "127.0.0.1:0", config, document)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	client := &feed.Client{
		Address: net.JoinHostPort("localhost", port), TLS: identity(t, authority).Client("localhost"), File: path, Log: quiet(),
	}
	store := apikeys.NewDocumentStore(document)
	if err := store.Create(t.Context(), apikeys.Key{ID: "first"}); err != nil {
		t.Fatal(err)
	}
	// The list is not known to the control plane at once.
	time.AfterFunc(50*time.Millisecond, document.Hear)
	if err := client.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, path, "first", true)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- client.Run(ctx) }()
	if err := store.Create(t.Context(), apikeys.Key{ID: "second"}); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, path, "second", true)
	end()
	if err := store.Delete(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, path, "first", true)
	_, end = serve(t, address, config, document)
	awaitFile(t, path, "first", false)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	end()
}

// TestStrangers: the list is for nobody without a certificate.
func TestStrangers(t *testing.T) {
	document := new(apikeystest.Document)
	document.Hear()
	address, end := serve(t, "127.0.0.1:0", identity(t, mtlstest.NewAuthority(t)).Server("h2"), document)
	defer end()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	client := &feed.Client{
		Address: address, TLS: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}},
		File: filepath.Join(t.TempDir(), "keys.json"), Log: quiet(),
	}
	if err := client.Fetch(ctx); err == nil {
		t.Error("the list was fetched")
	}
}
