package peers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
)

const (
	// lookEvery is how often to look which control planes there are.
	lookEvery = 5 * time.Second
	// retryAfter is how long to leave one alone that went.
	retryAfter = time.Second
	// A control plane whose machine is gone is found by a ping without an answer.
	pingInterval = 10 * time.Second
	pingTimeout  = 3 * time.Second
	// maxMessage is far above what thousands of adapters need.
	maxMessage = 64 << 20
)

// Listener follows what all other control planes tell.
type Listener struct {
	// Host is a name with the addresses of all control planes, and Port is where
	// each tells. Required.
	Host, Port string
	// Self is the name of this one. Required.
	Self string
	// TLS is how to speak to them. Required.
	TLS *tls.Config
	// Loop is told. Required.
	Loop Loop
	// Log is told which control planes come and go. Required.
	Log *slog.Logger
	// Lookup finds the addresses of a host. Nil means DNS.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Run works until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	lookup := l.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	var group sync.WaitGroup
	defer group.Wait()
	following := map[string]context.CancelFunc{}
	for {
		// Without an answer those that were known stay.
		if addresses, err := lookup(ctx, l.Host); err == nil {
			for address, end := range following {
				if !slices.Contains(addresses, address) {
					end()
					delete(following, address)
				}
			}
			for _, address := range addresses {
				if following[address] == nil {
					peer, end := context.WithCancel(ctx)
					following[address] = end
					group.Go(func() { l.keepFollowing(peer, address) })
				}
			}
		}
		if !wait(ctx, lookEvery) {
			for _, end := range following {
				end()
			}
			return nil
		}
	}
}

// keepFollowing follows the control plane at the address until ctx ends, unless it
// is this one.
func (l *Listener) keepFollowing(ctx context.Context, address string) {
	for known := true; known && ctx.Err() == nil; wait(ctx, retryAfter) {
		var err error
		known, err = l.follow(ctx, address)
		l.Loop.Lost(snapshot.PeerID(address))
		if ctx.Err() == nil && err != nil {
			l.Log.Info("another control plane is not followed", "address", address, "error", err)
		}
	}
}

// follow passes on what is told at the address. That it is another control plane
// is true until it says otherwise.
func (l *Listener) follow(ctx context.Context, address string) (another bool, err error) {
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(address, l.Port),
		grpc.WithTransportCredentials(credentials.NewTLS(l.TLS)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return true, err
	}
	defer func() { _ = conn.Close() }() // nothing was kept
	ctx, end := context.WithCancel(ctx)
	defer end()
	stream, err := conn.NewStream(ctx, &description.Streams[0], "/"+serviceName+"/"+methodName)
	if err != nil {
		return true, err
	}
	if err := stream.SendMsg(new(emptypb.Empty)); err != nil {
		return true, err
	}
	if err := stream.CloseSend(); err != nil {
		return true, err
	}
	for {
		var text wrapperspb.BytesValue
		if err := stream.RecvMsg(&text); err != nil {
			return true, err
		}
		var told message
		if err := json.Unmarshal(text.GetValue(), &told); err != nil {
			return true, fmt.Errorf("reading what another control plane tells: %w", err)
		}
		if told.From == l.Self {
			return false, nil
		}
		l.Loop.Reported(snapshot.PeerID(address), told.Report)
	}
}
