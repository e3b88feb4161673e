// Package feed carries the list of API keys, which holds no secret, from control
// planes to the external processors that check keys, as soon as it changes. Over
// which connection is the caller's matter: it must be one that only those two have.
package feed

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters/apikeys"
)

// The one method of the service: after one empty message it sends the list, and
// again whenever that changes.
const (
	serviceName = "mooring.apikeys.v1.Keys"
	methodName  = "Follow"
)

var description = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Streams:     []grpc.StreamDesc{{StreamName: methodName, ServerStreams: true, Handler: follow}},
}

// Register lets the server send what is heard of the document.
func Register(to grpc.ServiceRegistrar, document apikeys.Document) {
	to.RegisterService(&description, document)
}

func follow(document any, stream grpc.ServerStream) error {
	if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	return send(stream.Context(), document.(apikeys.Document), func(text []byte) error {
		return stream.SendMsg(wrapperspb.Bytes(text))
	})
}

// send sends each text of the document until ctx ends.
func send(ctx context.Context, document apikeys.Document, sendText func([]byte) error) error {
	changed := document.Changes(ctx)
	last, sent := "", false
	for {
		text, version, err := document.Heard()
		if err != nil {
			return status.Error(codes.Unavailable, "the list is not known yet")
		}
		if !sent || version != last {
			if err := sendText(text); err != nil {
				return err
			}
			last, sent = version, true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
