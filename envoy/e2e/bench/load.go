package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// result is what was measured of one way.
type result struct {
	elapsed   time.Duration
	latencies []time.Duration
	cpu       time.Duration
}

// client is one connection with a session of its own.
type client struct {
	http    *http.Client
	url     string
	session string
	text    string
	nextID  int64
}

// measure runs all ways one after the other, again and again, so that whatever
// else the machine does falls on all alike.
func measure(ctx context.Context, cfg Config, ways []way, size, connections int) ([]result, error) {
	results := make([]result, len(ways))
	clients := make([][]*client, len(ways))
	for i, w := range ways {
		for range connections {
			c := &client{
				http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 30 * time.Second},
				url:  w.url, text: strings.Repeat("m", size),
			}
			defer c.http.CloseIdleConnections()
			if err := c.initialize(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			clients[i] = append(clients[i], c)
		}
	}
	for round := range cfg.Rounds + 1 {
		for i, w := range ways {
			r, err := load(ctx, clients[i], w, cfg.Duration)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			if round > 0 { // the first warms up
				results[i].add(r)
			}
		}
	}
	return results, nil
}

func (r *result) add(more result) {
	r.elapsed += more.elapsed
	r.cpu += more.cpu
	r.latencies = append(r.latencies, more.latencies...)
}

// load calls on all connections at once for a while.
func load(ctx context.Context, clients []*client, w way, d time.Duration) (result, error) {
	before, err := cpuOf(w.processes())
	if err != nil {
		return result{}, err
	}
	latencies := make([][]time.Duration, len(clients))
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range clients {
		group.Go(func() error {
			for time.Since(begin) < d {
				took, err := c.call(ctx)
				if err != nil {
					return err
				}
				latencies[i] = append(latencies[i], took)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return result{}, err
	}
	elapsed := time.Since(begin)
	after, err := cpuOf(w.processes())
	if err != nil {
		return result{}, err
	}
	return result{elapsed: elapsed, cpu: after - before, latencies: slices.Concat(latencies...)}, nil
}

func (c *client) initialize(ctx context.Context) error {
	const body = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
		`"capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	res, text, err := c.post(ctx, []byte(body))
	if err != nil {
		return err
	}
	if c.session = res.Header.Get("Mcp-Session-Id"); res.StatusCode != http.StatusOK || c.session == "" {
		return fmt.Errorf("initialize: status %d: %s", res.StatusCode, text)
	}
	res, text, err = c.post(ctx, []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`))
	if err == nil && res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("initialized: status %d: %s", res.StatusCode, text)
	}
	return err
}

// call makes one call and checks its answer, which an event may be around.
func (c *client) call(ctx context.Context) (time.Duration, error) {
	c.nextID++
	request, want := callOf(c.nextID, c.text), resultOf(c.nextID, c.text)
	begin := time.Now()
	res, text, err := c.post(ctx, request)
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK || !bytes.Contains(text, want) {
		return 0, fmt.Errorf("call: status %d, a wrong answer of %d bytes: %.200s", res.StatusCode, len(text), text)
	}
	return took, nil
}

func (c *client) post(ctx context.Context, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if c.session != "" {
		req.Header.Set("Mcp-Session-Id", c.session)
		req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, text, err
}
