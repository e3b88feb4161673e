// Package drain ends an Envoy in order: it sends its clients away while it still
// serves them. It knows Envoy's admin interface, and not why Envoy is to end.
package drain

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// answerTimeout bounds each answer of the admin interface.
const answerTimeout = 5 * time.Second

// steps are asked for in this order. First Envoy says that it is not ready, so
// that nobody is sent to it any more; then it asks clients, at their next answer,
// to connect anew elsewhere. It goes on to take connections, of whoever has not
// heard: where addresses are balanced, that takes seconds.
var steps = []string{"/healthcheck/fail", "/drain_listeners?graceful&skip_exit"}

// Run drains the Envoy whose admin interface is at the Unix socket, and returns
// once the time is over, or ctx.
func Run(ctx context.Context, socket string, during time.Duration) error {
	client := &http.Client{Timeout: answerTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	for _, step := range steps {
		if err := post(ctx, client, step); err != nil {
			return fmt.Errorf("draining envoy: %w", err)
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(during):
	}
	return nil
}

func post(ctx context.Context, client *http.Client, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://envoy"+path, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", path, res.StatusCode, text)
	}
	return err
}
