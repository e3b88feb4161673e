package main

import (
	"context"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// leaveGrace is how long the gate is shut before the end: calls in flight may go
// on, and connections that are used meanwhile end in order.
const leaveGrace = time.Second

// gate is before all that serves MCP. Once it is shut, requests that come are
// refused as unsent, with the end of their connection: the gateway brings them
// elsewhere, where they would be lost with the connection otherwise.
type gate struct {
	next http.Handler
	shut atomic.Bool
}

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.shut.Load() {
		g.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "1")
	w.Header().Set(launch.HeaderUnsent, "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	// An error means that the client has gone.
	_, _ = w.Write(jsonrpc.ErrorResponse(nil, jsonrpc.CodeInternal, "this server is about to end"))
}

// leave shuts the gate and returns when the bridge may end.
func (g *gate) leave(ctx context.Context, signals <-chan os.Signal) {
	g.shut.Store(true)
	grace := time.NewTimer(leaveGrace)
	defer grace.Stop()
	select {
	case <-ctx.Done():
	case <-signals:
	case <-grace.C:
	}
}
