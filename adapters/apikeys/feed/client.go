package feed

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
)

const (
	// A control plane whose machine is gone is found by a ping without an answer.
	pingInterval = 10 * time.Second
	pingTimeout  = 3 * time.Second

	retryBase      = 100 * time.Millisecond
	retryMax       = 2 * time.Second
	connectTimeout = 2 * time.Second
	// maxList is far above what a Secret holds.
	maxList = 64 << 20
)

// Client writes what a control plane sends to a file, for an apikeys.Keyring. While
// no control plane is there the file stays as it was, also across a start.
type Client struct {
	// Address is the host and port of the control planes, and TLS how to speak to
	// them. Required.
	Address string
	TLS     *tls.Config
	// File is what is written. Required.
	File string
	// Log is told when control planes come and go. Required.
	Log *slog.Logger
}

// Fetch writes the list once, however long that takes, or until ctx ends.
func (c *Client) Fetch(ctx context.Context) error {
	c.Log.Info("waiting for api keys", "from", c.Address)
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	fetched := false
	err := c.follow(ctx, func() {
		fetched = true
		enough()
	})
	if err == nil && !fetched {
		err = fmt.Errorf("fetching api keys: %w", ctx.Err())
	}
	return err
}

// Run writes the list whenever it changes, until ctx ends.
func (c *Client) Run(ctx context.Context) error { return c.follow(ctx, func() {}) }

func (c *Client) follow(ctx context.Context, written func()) error {
	conn, err := grpc.NewClient("dns:///"+c.Address,
		grpc.WithTransportCredentials(credentials.NewTLS(c.TLS)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryBase, Multiplier: 2, Jitter: 0.2, MaxDelay: retryMax},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxList)))
	if err != nil {
		return fmt.Errorf("fetching api keys: %w", err)
	}
	defer func() { _ = conn.Close() }()
	away := false
	for ctx.Err() == nil {
		err := c.stream(ctx, conn, func() {
			if away {
				c.Log.Info("api keys are followed again")
			}
			away = false
			written()
		})
		if ctx.Err() == nil && !away {
			away = true
			c.Log.Warn("api keys are not followed; those known before stay in use", "error", err)
		}
		wait(ctx, retryBase)
	}
	return nil
}

// stream follows one control plane until it goes.
func (c *Client) stream(ctx context.Context, conn *grpc.ClientConn, written func()) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	stream, err := conn.NewStream(ctx, &description.Streams[0], "/"+serviceName+"/"+methodName, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		var list wrapperspb.BytesValue
		if err := stream.RecvMsg(&list); err != nil {
			return err
		}
		if err := apikeys.WriteFile(c.File, list.GetValue()); err != nil {
			return err
		}
		written()
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
