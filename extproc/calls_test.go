package main

import (
	"bytes"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/testing/protocmp"
)

// TestCodec: a message that comes in several frames is read as one, and keeps
// nothing of the buffers that it came in.
func TestCodec(t *testing.T) {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	sent := &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{
		RequestBody: &extprocv3.HttpBody{Body: bytes.Repeat([]byte("m"), 64<<10), EndOfStream: true},
	}}
	data, err := c.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	text := data.Materialize()
	for name, frames := range map[string]mem.BufferSlice{
		"one frame":      {mem.SliceBuffer(text)},
		"several frames": {mem.SliceBuffer(text[:100]), mem.SliceBuffer(text[100:20_000]), mem.SliceBuffer(text[20_000:])},
	} {
		got := new(extprocv3.ProcessingRequest)
		if err := c.Unmarshal(frames, got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for range 10 { // those that were used are given out again
			clear(*c.buffers.Get(len(text)))
		}
		if diff := cmp.Diff(sent, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer("\xff")}, new(extprocv3.ProcessingRequest)); err == nil {
		t.Error("what is no message is decoded")
	}
	if _, err := c.Marshal(1); err == nil {
		t.Error("a number is encoded")
	}
	if err := c.Unmarshal(data, 1); err == nil {
		t.Error("a message is decoded into a number")
	}
}

// TestBuffers: no message takes a buffer of more than twice its size.
func TestBuffers(t *testing.T) {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 10; size <= 4<<20; size *= 3 {
		if buffer := c.buffers.Get(size); cap(*buffer) > max(4*size, 4<<10) {
			t.Errorf("%d bytes take a buffer of %d", size, cap(*buffer))
		}
	}
}
