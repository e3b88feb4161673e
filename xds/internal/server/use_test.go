package server_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/xds/internal/traffic"
)

// TestUse: what a real Envoy counts tells when an adapter was last in use, and that
// it is while a request is open.
func TestUse(t *testing.T) {
	g := newGateway(t, nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	g.serve("held", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		w.WriteHeader(http.StatusOK)
	}))
	held := g.add("held", adapters.Instance{ID: "held", Address: g.socket("held"), State: adapters.InstanceReady})
	quiet := g.add("quiet", g.replica("quiet"))
	g.startEnvoy()
	g.awaitProgrammed(held, "True")
	g.awaitProgrammed(quiet, "True")
	host, port, err := net.SplitHostPort(g.ops)
	if err != nil {
		t.Fatal(err)
	}
	meter := traffic.New(traffic.Config{
		Find:  traffic.Pods(host, port, func(context.Context, string) ([]string, error) { return []string{host}, nil }),
		Store: g.store, Log: slog.New(slog.NewTextHandler(g.log, nil)), Connected: g.loop.Envoys,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- meter.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	since := func(a adapters.Adapter) time.Time {
		at, _ := meter.IdleSince(a)
		return at
	}
	g.await("Envoy is read", func() bool { return !since(held).IsZero() })
	start := since(quiet)
	called := time.Now()
	ended := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + g.listen + "/adapters/held/mcp")
		if err == nil {
			err = res.Body.Close()
		}
		ended <- err
	}()
	<-asked
	g.await("the request that is open counts", func() bool { return since(held).After(called) })
	close(answer)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := since(quiet); !got.Equal(start) {
		t.Errorf("the other adapter is idle since %v, and was since %v", got, start)
	}
	over := time.Now()
	g.await("its end counts", func() bool { return since(held).After(over) })
}
