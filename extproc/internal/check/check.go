// Package check asks a gateway from outside whether it answers as it should: what
// an installation is tested by, where there is no other program to ask with.
package check

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	answerTimeout = 5 * time.Second
	interval      = 500 * time.Millisecond
	// maxBody is how much of an answer that was not expected is told, in bytes.
	maxBody = 512
)

// Question is what is asked, and what the answer should be.
type Question struct {
	// URL is what is fetched. Required.
	URL string
	// Host is what it is asked as. Empty means the host of URL.
	Host string
	// Status is the answer's. Required.
	Status int
}

// Await asks until the answer is as it should be. When that takes longer than
// during, the error says what the last one was.
func Await(ctx context.Context, q Question, during time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	client := &http.Client{
		Timeout: answerTimeout,
		// Every question may come to another replica.
		Transport: &http.Transport{DisableKeepAlives: true},
		// A redirection is an answer too.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error
	for {
		err := ask(ctx, client, q)
		if err == nil {
			return nil
		}
		// Of what was cut off by the end of the time, the one before tells more.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("checking %s: %w", q.URL, last)
		case <-ticker.C:
		}
	}
}

func ask(ctx context.Context, client *http.Client, q Question) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL, nil)
	if err != nil {
		return err
	}
	req.Host = q.Host
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err == nil && res.StatusCode != q.Status {
		err = fmt.Errorf("status %d, not %d: %s", res.StatusCode, q.Status, text)
	}
	return err
}
