package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// upstream is an MCP server that says what it saw. It echoes the session's id
// on each answer, as servers do.
type upstream struct {
	name, socket string
	sessions     atomic.Int64
	events       chan string
	closed       chan struct{}
}

// seen is what an upstream saw of a request.
type seen struct {
	Upstream string
	Header   http.Header
	Path     string
	Length   int
	Hash     string
	Trailer  http.Header
}

func newUpstream(t *testing.T, name string) *upstream {
	t.Helper()
	u := &upstream{
		name: name, socket: filepath.Join(envoytest.SocketDir(t), name),
		events: make(chan string), closed: make(chan struct{}, 16),
	}
	listener, err := net.Listen("unix", u.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: u}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return u
}

// ServeHTTP implements http.Handler. X-Test-* headers make it misbehave.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id := r.Header.Get("Mcp-Session-Id"); id != "" {
		w.Header().Set("Mcp-Session-Id", id)
	}
	if list := r.Header.Get("X-Test-List"); r.Method == http.MethodGet && list != "" {
		u.list(w, r, list)
		return
	}
	if r.Method == http.MethodGet {
		u.stream(w, r)
		return
	}
	hash := sha256.New()
	var head bytes.Buffer
	n, err := io.Copy(io.MultiWriter(hash, &limitedBuffer{&head}), r.Body)
	if err != nil {
		return
	}
	if bytes.Contains(head.Bytes(), []byte(`"initialize"`)) {
		w.Header().Set("Mcp-Session-Id", fmt.Sprintf("up-%s-%d", u.name, u.sessions.Add(1)))
	}
	if id, ok := r.Header["X-Test-Session"]; ok {
		w.Header()["Mcp-Session-Id"] = id
	}
	w.Header().Set("Content-Type", "application/json")
	if list := r.Header.Get("X-Test-List"); list != "" {
		u.list(w, r, list)
		return
	}
	if status := r.Header.Get("X-Test-Status"); status != "" {
		var code int
		fmt.Sscan(status, &code)
		w.WriteHeader(code)
		io.WriteString(w, "upstream's own words")
		return
	}
	json.NewEncoder(w).Encode(seen{u.name, r.Header, r.URL.Path, int(n), hex.EncodeToString(hash.Sum(nil)), r.Trailer})
}

// limitedBuffer keeps the first bytes of what is written.
type limitedBuffer struct{ *bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := 1024 - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// stream sends events until the client goes away.
func (u *upstream) stream(w http.ResponseWriter, r *http.Request) {
	defer func() { u.closed <- struct{}{} }()
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		w.(http.Flusher).Flush()
		select {
		case event := <-u.events:
			fmt.Fprintf(w, "data: %s\n\n", event)
		case <-r.Context().Done():
			return
		}
	}
}
