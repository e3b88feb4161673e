package main

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

const (
	// maxPiece is what a piece of a body may have beyond the largest body: Envoy
	// hands over all that it has buffered, which may be more than its limit.
	maxPiece = 8 << 20
	// window lets Envoy send a body of 64 KiB, and many at once, without
	// waiting for the receiver: both ends are on one socket.
	window     = 1 << 20
	connWindow = 16 << 20
	// readAtOnce is how much is read from a connection at a time, of which there
	// is one for each thread of Envoy.
	readAtOnce = 128 << 10
	// workers are the goroutines that judge one request after the other: one that
	// is made for each request grows its stack each time. Where all are busy or
	// wait, as for the answers that begin sessions, more are made.
	workers = 128
)

// newCallServer is the server of Envoy's calls, without services.
func newCallServer(maxBody int64) (*grpc.Server, error) {
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	return grpc.NewServer(
		grpc.MaxRecvMsgSize(int(maxBody)+maxPiece),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(connWindow), grpc.ReadBufferSize(readAtOnce),
		grpc.NumStreamWorkers(workers),
		grpc.ForceServerCodecV2(codec),
	), nil
}

// codec is gRPC's own but for its buffers: those have one size for all messages
// from 32 KiB to 1 MiB, and all of it is cleared for each message.
type codec struct{ buffers mem.BufferPool }

var _ encoding.CodecV2 = codec{}

// newCodec has buffers for each power of two up to the default largest body.
func newCodec() (codec, error) {
	buffers, err := mem.NewBinaryTieredBufferPool(10, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22)
	if err != nil {
		return codec{}, fmt.Errorf("making buffers: %w", err)
	}
	return codec{buffers}, nil
}

// Name implements encoding.CodecV2.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("encoding a message: %T is none", v)
	}
	text, err := proto.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encoding a message: %w", err)
	}
	return mem.BufferSlice{mem.SliceBuffer(text)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("decoding a message: %T is none", v)
	}
	text := data.MaterializeToBuffer(c.buffers)
	defer text.Free()
	if err := proto.Unmarshal(text.ReadOnlyData(), message); err != nil {
		return fmt.Errorf("decoding a message: %w", err)
	}
	return nil
}
