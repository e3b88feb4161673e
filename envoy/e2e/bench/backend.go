package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/go-json-experiment/json"
)

// backend is an MCP server over streamable HTTP of the legacy era that does as
// little as possible: it gives the text of a call back.
type backend struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

func startBackend() (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	b := &backend{listener: listener, server: &http.Server{Handler: http.HandlerFunc(answer)}, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		_ = b.server.Serve(listener) // ends by Close
	}()
	return b, nil
}

// Addr is where the server listens.
func (b *backend) Addr() string { return b.listener.Addr().String() }

// Close ends the server.
func (b *backend) Close() {
	_ = b.server.Shutdown(context.Background())
	_ = b.server.Close()
	<-b.done
}

type message struct {
	ID     int64  `json:"id"`
	Method string `json:"method"`
	Params struct {
		Arguments struct {
			Text string `json:"text"`
		} `json:"arguments"`
	} `json:"params"`
}

func answer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch m.Method {
	case "initialize":
		w.Header().Set("Mcp-Session-Id", "bench")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%d,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},`+
			`"serverInfo":{"name":"bench","version":"1"}}}`, m.ID)
	case "tools/call":
		_, _ = w.Write(resultOf(m.ID, m.Params.Arguments.Text)) // the client checks what came
	case "ping":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%d,"result":{}}`, m.ID)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// resultOf is the answer to a call. The text needs no escaping.
func resultOf(id int64, text string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"%s"}]}}`, id, text)
	return b.Bytes()
}

// callOf is the request of a call. The text needs no escaping.
func callOf(id int64, text string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%s"}}}`, id, text)
	return b.Bytes()
}
