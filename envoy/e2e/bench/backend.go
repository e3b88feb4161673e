package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// backend is an MCP server over streamable HTTP of the legacy era that does as
// little as possible: it reads requests of this program's own clients, and
// gives the text of a call back.
type backend struct {
	listener net.Listener
	served   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func startBackend() (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	b := &backend{listener: listener, conns: map[net.Conn]bool{}}
	b.served.Go(b.accept)
	return b, nil
}

// addr is where the server listens.
func (b *backend) addr() string { return b.listener.Addr().String() }

// close ends the server.
func (b *backend) close() {
	_ = b.listener.Close()
	b.mu.Lock()
	for conn := range b.conns {
		_ = conn.Close()
	}
	b.conns = nil
	b.mu.Unlock()
	b.served.Wait()
}

// accept serves until the listener is closed.
func (b *backend) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		if b.conns == nil {
			_ = conn.Close()
		} else {
			b.conns[conn] = true
			b.served.Go(func() { b.serve(conn) })
		}
		b.mu.Unlock()
	}
}

// serve answers one connection's requests. What it cannot read it ends with the
// connection, which the client takes for an error.
func (b *backend) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		b.mu.Lock()
		delete(b.conns, conn)
		b.mu.Unlock()
	}()
	reader := bufio.NewReaderSize(conn, 32<<10)
	var body, answer, out bytes.Buffer
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body.Reset()
		if _, err := body.ReadFrom(request.Body); err != nil {
			return
		}
		answer.Reset()
		status, session, err := respond(&answer, request.Method, body.Bytes())
		if err != nil {
			status = http.StatusBadRequest
		}
		out.Reset()
		writeHead(&out, status, session, answer.Len())
		out.Write(answer.Bytes())
		if _, err := conn.Write(out.Bytes()); err != nil {
			return
		}
	}
}

func writeHead(out *bytes.Buffer, status int, session string, length int) {
	fmt.Fprintf(out, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", status, http.StatusText(status), length)
	if session != "" {
		fmt.Fprintf(out, "Mcp-Session-Id: %s\r\n", session)
	}
	out.WriteString("\r\n")
}

var errNoMessage = errors.New("not a message of this program's clients")

// respond writes the answer to a message.
func respond(out *bytes.Buffer, httpMethod string, message []byte) (status int, session string, err error) {
	if httpMethod != http.MethodPost {
		return http.StatusMethodNotAllowed, "", nil
	}
	id, err := strconv.ParseInt(string(between(message, `"id":`, `,`)), 10, 64)
	if err != nil {
		// A notification.
		return http.StatusAccepted, "", nil
	}
	switch string(between(message, `"method":"`, `"`)) {
	case "initialize":
		fmt.Fprintf(out, `{"jsonrpc":"2.0","id":%d,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},`+
			`"serverInfo":{"name":"bench","version":"1"}}}`, id)
		return http.StatusOK, "bench", nil
	case "tools/call":
		writeResult(out, id, between(message, `"text":"`, `"}}}`))
		return http.StatusOK, "", nil
	case "ping":
		fmt.Fprintf(out, `{"jsonrpc":"2.0","id":%d,"result":{}}`, id)
		return http.StatusOK, "", nil
	}
	return 0, "", errNoMessage
}

// between is what stands between the first begin and the next end, or empty.
func between(text []byte, begin, end string) []byte {
	_, rest, _ := bytes.Cut(text, []byte(begin))
	found, _, _ := bytes.Cut(rest, []byte(end))
	return found
}

// writeResult is the answer to a call. The text needs no escaping.
func writeResult(out *bytes.Buffer, id int64, text []byte) {
	fmt.Fprintf(out, `{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"`, id)
	out.Write(text)
	_, _ = io.WriteString(out, `"}]}}`) // a buffer takes all
}

// writeCall is the request of a call. The text needs no escaping.
func writeCall(out *bytes.Buffer, id int64, text []byte) {
	fmt.Fprintf(out, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"`, id)
	out.Write(text)
	_, _ = io.WriteString(out, `"}}}`)
}
