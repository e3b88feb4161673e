package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client is one connection with a session of its own.
type client struct {
	http    *http.Client
	url     string
	session string
	text    string
	nextID  int64
}

func newClient(url string, size int) *client {
	return &client{
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}, Timeout: 60 * time.Second},
		url:  url, text: strings.Repeat("m", size),
	}
}

func (c *client) initialize(ctx context.Context) error {
	const body = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18",` +
		`"capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	res, text, err := c.post(ctx, []byte(body))
	if err != nil {
		return err
	}
	// Some have no sessions, and so no id.
	if c.session = res.Header.Get("Mcp-Session-Id"); res.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"serverInfo"`)) {
		return fmt.Errorf("initialize: status %d: %.300s", res.StatusCode, text)
	}
	res, text, err = c.post(ctx, []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`))
	if err == nil && res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("initialized: status %d: %.300s", res.StatusCode, text)
	}
	return err
}

// call makes one call and checks its answer, which an event may be around.
func (c *client) call(ctx context.Context) (time.Duration, error) {
	c.nextID++
	begin := time.Now()
	res, text, err := c.post(ctx, callOf(c.nextID, c.text))
	took := time.Since(begin)
	switch {
	case err != nil:
		return 0, err
	case res.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(c.text)) || !bytes.Contains(text, fmt.Appendf(nil, `"id":%d`, c.nextID)):
		return 0, fmt.Errorf("call: status %d: %.300s", res.StatusCode, text)
	}
	return took, nil
}

// close ends the session, as far as the server knows how to.
func (c *client) close(ctx context.Context) error {
	defer c.http.CloseIdleConnections()
	res, _, err := c.do(ctx, http.MethodDelete, nil)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("ending a session: status %d", res.StatusCode)
	}
	return nil
}

func (c *client) post(ctx context.Context, body []byte) (*http.Response, []byte, error) {
	return c.do(ctx, http.MethodPost, body)
}

func (c *client) do(ctx context.Context, method string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if c.session != "" {
		req.Header.Set("Mcp-Session-Id", c.session)
		req.Header.Set("Mcp-Protocol-Version", "2025-06-18")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, text, err
}
