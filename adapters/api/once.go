package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// maxIdempotencyKey is the longest Idempotency-Key, in bytes.
const maxIdempotencyKey = 255

// idempotencyKey is the request's Idempotency-Key, or empty where it has none.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	malformed := &problem{
		status: http.StatusBadRequest,
		detail: "Idempotency-Key must be there once, with 1 to " + strconv.Itoa(maxIdempotencyKey) + " visible ASCII characters.",
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxIdempotencyKey {
		return "", malformed
	}
	for _, c := range []byte(values[0]) {
		if c < ' ' || c > '~' {
			return "", malformed
		}
	}
	return values[0], nil
}

// change is how a change is to be made.
type change struct {
	// service judges changes and makes them, or only judges them where dry.
	service *adapters.Service
	dry     bool
	// wait is how long to wait until the adapter serves.
	wait time.Duration
}

// change is what the query asks for: ?dryRun=true and ?wait=.
func (a *api) change(r *http.Request) (change, error) {
	wait, err := a.wait(r)
	if err != nil {
		return change{}, err
	}
	c := change{service: a.Service, wait: wait}
	if text := r.URL.Query().Get("dryRun"); text != "" {
		if c.dry, err = strconv.ParseBool(text); err != nil {
			return change{}, badParameter("dryRun", "It must be true or false.")
		}
	}
	if c.dry {
		c.service = a.Service.Dry()
	}
	return c, nil
}

// made notes for the audit what the change came to: nil where the adapter is
// gone. A dry one came to nothing.
func (c change) made(r *http.Request, after *adapters.Adapter) {
	call := callOf(r)
	call.after = after
	if c.dry {
		call.before, call.after = nil, nil
	}
}

// await waits until the adapter serves or has failed to, where that was asked
// for.
func (c change) await(ctx context.Context, changed adapters.Adapter) {
	if c.dry || c.wait == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	c.service.Wait(ctx, changed)
}

// wait is how long the client asks to wait: none where it does not ask, and
// never longer than MaxWait.
func (a *api) wait(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 {
		return 0, badParameter("wait", "It must be a duration such as 30s.")
	}
	return min(wait, a.MaxWait), nil
}
