// Package server speaks the aggregated discovery service, delta form. It tells a Tracker what each Envoy was sent and what it answered, and
// decides nothing.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	deltav3 "github.com/envoyproxy/go-control-plane/pkg/server/delta/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
)

// maxRequestBytes bounds a request: an Envoy that comes back names every
// resource that it has.
const maxRequestBytes = 32 << 20

const (
	// pingInterval and pingTimeout find an Envoy whose machine is gone, which would
	// be waited for to accept what it never will.
	pingInterval = 10 * time.Second
	pingTimeout  = 5 * time.Second
	// minPing is how often Envoys may do the same.
	minPing = time.Second
)

// Server serves the resources of a Loop.
type Server struct {
	loop   *snapshot.Loop
	log    *slog.Logger
	others []func(grpc.ServiceRegistrar)
}

// New is a Server of what loop publishes. Others register more services.
func New(loop *snapshot.Loop, log *slog.Logger, others ...func(grpc.ServiceRegistrar)) *Server {
	return &Server{loop: loop, log: log, others: others}
}

// Serve serves on l, which it closes, until ctx ends. It returns once all
// streams have.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	g := grpc.NewServer(grpc.MaxRecvMsgSize(maxRequestBytes), grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingInterval, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(g, &service{
		delta: deltav3.NewServer(ctx, s.loop.Cache(), callbacks{loop: s.loop, log: s.log}),
	})
	for _, register := range s.others {
		register(g)
	}
	stop := context.AfterFunc(ctx, g.Stop)
	defer stop()
	err := g.Serve(l)
	g.Stop()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("serving discovery: %w", err)
	}
	return nil
}

// service has the delta form only; the other is answered as unimplemented.
type service struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	delta deltav3.Server
}

// DeltaAggregatedResources serves one Envoy until it goes.
func (s *service) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return s.delta.DeltaStreamHandler(stream, resourcev3.AnyType)
}

// callbacks tell the loop what happens on the streams. Those of one stream are
// called one after the other.
type callbacks struct {
	loop *snapshot.Loop
	log  *slog.Logger
}

func (c callbacks) OnDeltaStreamOpen(_ context.Context, id int64, _ string) error {
	c.log.Info("envoy connected", "stream", id)
	c.loop.Opened(snapshot.StreamID(id))
	return nil
}

func (c callbacks) OnDeltaStreamClosed(id int64, _ *corev3.Node) {
	c.log.Info("envoy disconnected", "stream", id)
	c.loop.Closed(snapshot.StreamID(id))
}

func (c callbacks) OnStreamDeltaResponse(id int64, _ *discoveryv3.DeltaDiscoveryRequest, response *discoveryv3.DeltaDiscoveryResponse) {
	c.loop.Sending(snapshot.StreamID(id), sent(response))
}

// OnStreamDeltaRequest takes a request for what it is: an answer to a response,
// or the first request of a type on its stream, which says what Envoy has.
func (c callbacks) OnStreamDeltaRequest(id int64, request *discoveryv3.DeltaDiscoveryRequest) error {
	stream := snapshot.StreamID(id)
	switch {
	case request.GetErrorDetail() != nil:
		c.loop.Nacked(stream, request.GetResponseNonce(), request.GetErrorDetail().GetMessage())
	case request.GetResponseNonce() != "":
		c.loop.Acked(stream, request.GetResponseNonce())
	case len(request.GetInitialResourceVersions()) > 0:
		c.loop.Subscribed(stream, request.GetTypeUrl(), request.GetInitialResourceVersions())
	}
	return nil
}

func sent(response *discoveryv3.DeltaDiscoveryResponse) snapshot.Sent {
	out := snapshot.Sent{
		Type:     response.GetTypeUrl(),
		Nonce:    response.GetNonce(),
		Versions: make(map[string]string, len(response.GetResources())),
		Removed:  response.GetRemovedResources(),
	}
	for _, r := range response.GetResources() {
		out.Versions[r.GetName()] = r.GetVersion()
	}
	return out
}
