// Package peers lets control planes that work side by side tell each other what
// the Envoys have accepted that are connected to each. It knows neither what an
// Envoy is sent nor what the others make of it.
package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
)

// The one method of the service: after one empty message it sends what is known,
// and again whenever that changes.
const (
	serviceName = "mooring.planes.v1.Planes"
	methodName  = "Follow"
)

// pause is the shortest time between two messages: changes seldom come alone.
const pause = 20 * time.Millisecond

// Loop knows what Envoys accept; *snapshot.Loop is one.
type Loop interface {
	Report() snapshot.Report
	Changes(ctx context.Context) <-chan struct{}
	Reported(id snapshot.PeerID, r snapshot.Report)
	Lost(id snapshot.PeerID)
}

// message is what one control plane tells another.
type message struct {
	// From names who says it.
	From   string          `json:"from"`
	Report snapshot.Report `json:"report"`
}

var description = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Streams:     []grpc.StreamDesc{{StreamName: methodName, ServerStreams: true, Handler: follow}},
}

// speaker is a control plane that tells others.
type speaker struct {
	self string
	loop Loop
}

// Register lets the server tell what loop knows, as the control plane of that name.
func Register(to grpc.ServiceRegistrar, self string, loop Loop) {
	to.RegisterService(&description, &speaker{self: self, loop: loop})
}

func follow(from any, stream grpc.ServerStream) error {
	if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	s, ctx := from.(*speaker), stream.Context()
	changes := s.loop.Changes(ctx)
	var last []byte
	for {
		text, err := json.Marshal(message{From: s.self, Report: s.loop.Report()})
		if err != nil {
			return fmt.Errorf("telling what Envoys accept: %w", err)
		}
		if !bytes.Equal(text, last) {
			if err := stream.SendMsg(wrapperspb.Bytes(text)); err != nil {
				return err
			}
			last = text
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
		if !wait(ctx, pause) {
			return nil
		}
	}
}

// wait reports whether ctx goes on after that time.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
