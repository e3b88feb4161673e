package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// profiled is how long a profile is taken.
const profiled = 30 * time.Second

// profile keeps a CPU profile of the extproc behind a socket, if asked for. What
// it returns waits for its end.
func (s *stage) profile(socket string) (func() error, error) {
	if s.cfg.Profile == "" {
		return func() error { return nil }, nil
	}
	out, err := os.Create(s.cfg.Profile)
	if err != nil {
		return nil, fmt.Errorf("keeping a profile: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		defer out.Close()
		ended <- fetchProfile(out, socket, profiled)
	}()
	return func() error { return <-ended }, nil
}

func fetchProfile(out io.Writer, socket string, d time.Duration) error {
	res, err := clientOf(socket).Get(fmt.Sprintf("http://extproc/debug/pprof/profile?seconds=%d", int(d.Seconds())))
	if err != nil {
		return fmt.Errorf("keeping a profile: %w", err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(out, res.Body); err != nil {
		return fmt.Errorf("keeping a profile: %w", err)
	}
	return nil
}

// clientOf asks whoever serves at a socket.
func clientOf(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}
