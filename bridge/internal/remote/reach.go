package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/bridge/internal/health"
)

const (
	// lookEvery is the time between looks at a server that can be reached.
	lookEvery = 30 * time.Second
	// minBackoff and maxBackoff bound it for one that cannot.
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
	// tolerated is how many looks in a row may fail before a server that could
	// be reached is said to be gone: replicas must not flap with the network.
	tolerated = 3
)

// Watch reports to h whether the server can be connected to, until ctx ends. It
// sends nothing to the server beyond the TLS handshake.
func (p *Proxy) Watch(ctx context.Context, h *health.Health) error {
	defer p.conns.CloseIdleConnections()
	failures, reached := 0, false
	for {
		err := p.reach(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait := lookEvery
		if err == nil {
			if !reached || failures > tolerated {
				p.cfg.Log.Info("remote server can be reached")
			}
			failures, reached = 0, true
			h.Set(health.Status{State: health.Ready})
		} else {
			failures++
			p.cfg.Log.Warn("remote server cannot be reached", "error", err, "in_a_row", failures)
			if !reached || failures > tolerated {
				h.Set(unreachable(err))
			}
			wait = min(minBackoff<<min(failures-1, 10), maxBackoff)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func unreachable(err error) health.Status {
	return health.Status{State: health.Failed, Reason: health.ReasonRemoteUnreachable,
		Message: "The remote server cannot be reached: " + err.Error() + "."}
}

// reach connects to the server and lets go.
func (p *Proxy) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout+tlsTimeout)
	defer cancel()
	u := p.cfg.URL
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := p.dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return explain(err, u.Hostname())
	}
	defer func() { _ = conn.Close() }()
	if u.Scheme != "https" {
		return nil
	}
	config := p.cfg.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.ServerName = u.Hostname()
	if err := tls.Client(conn, config).HandshakeContext(ctx); err != nil {
		return fmt.Errorf("the TLS handshake with %s failed: %w", u.Hostname(), err)
	}
	return nil
}

// explain says at which step connecting failed.
func explain(err error, host string) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, launch.ErrAddressRefused):
		return err
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("the name %s does not resolve: %w", host, err)
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s could not be resolved: %w", host, err)
	}
	return fmt.Errorf("connecting failed: %w", err)
}
