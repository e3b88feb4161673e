package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// callTimeout is far above what any call takes.
const callTimeout = 30 * time.Second

// client is one connection. It calls on its sessions in turn.
type client struct {
	conn     net.Conn
	reader   *bufio.Reader
	host     string
	token    string
	sessions []session
	text     []byte
	nextID   int64

	out, call, answer, want bytes.Buffer
}

// session is one session of a client at one endpoint.
type session struct{ path, id string }

// dial connects to a way, and begins a session at each of the paths.
func dial(ctx context.Context, w way, paths []string, size int) (*client, error) {
	u, err := url.Parse(w.url)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c := &client{host: u.Host, token: w.token, text: bytes.Repeat([]byte("m"), size)}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		paths = []string{u.Path}
	}
	for _, path := range paths {
		if err := c.initialize(path); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// connect connects, and leaves the sessions as they are.
func (c *client) connect(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", c.host)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	c.conn, c.reader = conn, bufio.NewReaderSize(conn, 32<<10)
	return nil
}

// reconnect takes another connection for the same sessions, and makes a call on it.
func (c *client) reconnect(ctx context.Context) error {
	c.close()
	if err := c.connect(ctx); err != nil {
		return err
	}
	_, err := c.echo()
	return err
}

func (c *client) close() { _ = c.conn.Close() }

// initialize begins a session.
func (c *client) initialize(path string) error {
	const begin = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
		`"capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	res, err := c.post(session{path: path}, []byte(begin))
	if err != nil {
		return err
	}
	s := session{path: path, id: res.Header.Get("Mcp-Session-Id")}
	if res.StatusCode != http.StatusOK || s.id == "" {
		return fmt.Errorf("initialize: status %d: %.200s", res.StatusCode, c.answer.Bytes())
	}
	res, err = c.post(s, []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`))
	if err == nil && res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("initialized: status %d: %.200s", res.StatusCode, c.answer.Bytes())
	}
	c.sessions = append(c.sessions, s)
	return err
}

// echo makes one call and checks its answer, which an event may be around. It
// returns how long the call took.
func (c *client) echo() (time.Duration, error) {
	c.nextID++
	c.call.Reset()
	writeCall(&c.call, c.nextID, c.text)
	c.want.Reset()
	writeResult(&c.want, c.nextID, c.text)
	begin := time.Now()
	res, err := c.post(c.sessions[int(c.nextID)%len(c.sessions)], c.call.Bytes())
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK || !bytes.Contains(c.answer.Bytes(), c.want.Bytes()) {
		return 0, fmt.Errorf("call: status %d, a wrong answer of %d bytes: %.200s", res.StatusCode, c.answer.Len(), c.answer.Bytes())
	}
	return took, nil
}

// post leaves the answer's body in c.answer.
func (c *client) post(s session, body []byte) (*http.Response, error) {
	c.out.Reset()
	fmt.Fprintf(&c.out, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: %d\r\n",
		s.path, c.host, len(body))
	if c.token != "" {
		fmt.Fprintf(&c.out, "Authorization: Bearer %s\r\n", c.token)
	}
	if s.id != "" {
		fmt.Fprintf(&c.out, "Mcp-Session-Id: %s\r\nMcp-Protocol-Version: 2025-11-25\r\n", s.id)
	}
	c.out.WriteString("\r\n")
	c.out.Write(body)
	if err := c.conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return nil, fmt.Errorf("calling: %w", err)
	}
	if _, err := c.conn.Write(c.out.Bytes()); err != nil {
		return nil, fmt.Errorf("calling: %w", err)
	}
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	c.answer.Reset()
	if _, err := c.answer.ReadFrom(res.Body); err != nil {
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	return res, nil
}
