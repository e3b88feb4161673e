package remote_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
)

func TestWatch(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	u := &url.URL{Scheme: "http", Host: address, Path: "/mcp"}
	p := remote.New(remote.Config{URL: u, Policy: launch.URLPolicy{AllowLoopback: true}, Log: slog.New(slog.DiscardHandler)})
	h := &health.Health{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Watch(ctx, h) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	await(t, h, health.Failed)
	if s := h.Status(); s.Reason != health.ReasonRemoteUnreachable || !strings.Contains(s.Message, "connection refused") {
		t.Errorf("status %+v", s)
	}
	listener, err = net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	await(t, h, health.Ready)
}

func TestWatchNamesWhatIsWrong(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer func() { secure.Close() }()
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	for name, test := range map[string]struct{ url, want string }{
		"name":    {"https://no-such-host.invalid/mcp", "the name no-such-host.invalid "},
		"TLS":     {secure.URL, "certificate"},
		"address": {"http://169.254.169.254/mcp", "metadata service"},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(test.url)
			if err != nil {
				t.Fatal(err)
			}
			p := remote.New(remote.Config{URL: u, Policy: launch.URLPolicy{AllowLoopback: true}, Log: slog.New(slog.DiscardHandler)})
			h := &health.Health{}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- p.Watch(ctx, h) }()
			await(t, h, health.Failed)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if s := h.Status(); !strings.Contains(s.Message, test.want) {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func await(t *testing.T, h *health.Health, state health.State) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); h.Status().State != state; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s: %+v", state, h.Status())
		}
	}
}
