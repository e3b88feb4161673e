// Package drain ends an Envoy in order: it sends its clients away while it still
// serves them. It knows Envoy's admin interface, and not why Envoy is to end.
package drain

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	// answerTimeout bounds each answer of the admin interface.
	answerTimeout = 5 * time.Second
	// unheard is how long clients may come that have not heard yet.
	unheard = 5 * time.Second
	// lookEvery is how often to look whether any is left.
	lookEvery = 250 * time.Millisecond
)

// steps are asked for in this order. First Envoy says that it is not ready, so
// that nobody is sent to it any more; then it asks clients, at their next answer,
// to connect anew elsewhere. It goes on to take connections, of whoever has not
// heard: where addresses are balanced, that takes seconds.
var steps = []string{"/healthcheck/fail", "/drain_listeners?graceful&skip_exit"}

// connections is the statistic of clients' connections.
const connections = "http." + contract.StatPublic + ".downstream_cx_active"

// Run drains the Envoy whose admin interface is at the Unix socket, and returns
// once no client is left, or the time is over, or ctx.
func Run(ctx context.Context, socket string, during time.Duration) error {
	ctx, over := context.WithTimeout(ctx, during)
	defer over()
	client := &http.Client{Timeout: answerTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	for _, step := range steps {
		if _, err := ask(ctx, client, http.MethodPost, step); err != nil {
			return fmt.Errorf("draining envoy: %w", err)
		}
	}
	for pause := unheard; wait(ctx, pause); pause = lookEvery {
		answer, err := ask(ctx, client, http.MethodGet, "/stats?filter=^"+regexp.QuoteMeta(connections)+"$")
		if err == nil && strings.TrimSpace(answer) == connections+": 0" {
			return nil
		}
	}
	return nil
}

// wait reports whether ctx goes on after that time.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// ask returns the answer, which must be a success.
func ask(ctx context.Context, client *http.Client, method, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://envoy"+path, nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", path, res.StatusCode, text)
	}
	return string(text), err
}
