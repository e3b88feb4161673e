package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/tracing"
	"github.com/mooring-mcp/mooring/bridge/internal/bearer"
	"github.com/mooring-mcp/mooring/bridge/internal/health"
	"github.com/mooring-mcp/mooring/bridge/internal/mcphttp"
	"github.com/mooring-mcp/mooring/bridge/internal/recovery"
	"github.com/mooring-mcp/mooring/bridge/internal/remote"
	"github.com/mooring-mcp/mooring/bridge/internal/tools"
	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

// newRemote serves a server elsewhere: one that speaks streamable HTTP is passed
// through; one of the transport before that has a stream for each session, and
// is served like a process.
func newRemote(cfg Config, environ []string, state *health.Health, calls *tools.Meter, tracer *tracing.Tracer, reg prometheus.Registerer, log *slog.Logger) (*backend, error) {
	u, err := url.Parse(cfg.ProxyURL)
	if err != nil {
		return nil, errors.New("MCP_PROXY_URL is not a valid URL")
	}
	roots, err := remoteRoots(cfg.RemoteRoots)
	if err != nil {
		return nil, err
	}
	tokens, err := workloadTokens(cfg, u, roots, environ)
	if err != nil {
		return nil, err
	}
	headers, err := proxyHeaders(cfg, environ)
	if err != nil {
		return nil, err
	}
	keeper, states, err := sealed(cfg)
	if err != nil {
		return nil, err
	}
	far := &elsewhere{cfg: cfg, states: states, log: log}
	handler := far.handler(keeper, state, calls, tracer, reg)
	far.proxy = remote.New(remote.Config{
		URL:             u,
		Policy:          cfg.remotePolicy(),
		EgressFile:      cfg.Policy,
		Forward:         cfg.forwarded(),
		Headers:         headers,
		Admit:           state.Admit,
		MaxBody:         int64(cfg.MaxBodyBytes),
		ResponseTimeout: cfg.ResponseTimeout,
		TLS:             roots,
		Tokens:          tokens,
		Recovery:        keeper,
		Old:             handler,
		MaxMessage:      int(cfg.MaxLineBytes),
		Tools:           calls,
		Event:           handler.SessionEvent,
		Tracer:          tracer,
		Adapter:         cfg.Adapter,
		Log:             log,
	})
	return far.backend(handler, state), nil
}

// handler serves what the server's transport does not.
func (e *elsewhere) handler(keeper *recovery.Keeper, state *health.Health, calls *tools.Meter, tracer *tracing.Tracer, reg prometheus.Registerer) *mcphttp.Handler {
	return mcphttp.New(mcphttp.Config{
		Recovery:     keeper,
		Start:        e.legacy,
		StartModern:  e.modern,
		Bound:        translate.Bound,
		Shared:       e.cfg.Process == processShared,
		Admit:        state.Admit,
		Tools:        calls,
		Elsewhere:    func() int { return e.proxy.Sessions() },
		MaxSessions:  e.cfg.MaxSessions,
		MaxInFlight:  e.cfg.MaxInFlight,
		IdleTimeout:  e.cfg.IdleTimeout,
		StartTimeout: e.cfg.StartTimeout,
		MaxBody:      int64(e.cfg.MaxBodyBytes),
		Tracer:       tracer,
		Adapter:      e.cfg.Adapter,
		Transport:    "tcp",
		Log:          e.log,
	}, reg)
}

// elsewhere begins sessions with a server of the old transport, which knows the
// legacy era only.
type elsewhere struct {
	cfg    Config
	proxy  *remote.Proxy
	states *translate.States
	log    *slog.Logger
}

func (e *elsewhere) backend(handler *mcphttp.Handler, state *health.Health) *backend {
	return &backend{
		mcp: &gate{next: e.proxy},
		load: func() health.Load {
			return health.Load{Sessions: e.proxy.Sessions() + handler.Sessions(), InFlight: e.proxy.InFlight() + handler.InFlight()}
		},
		parts: []func(context.Context) error{
			func(ctx context.Context) error { return e.proxy.Watch(ctx, state) },
			handler.Run,
		},
	}
}

func (e *elsewhere) legacy() (mcphttp.Child, error) { return e.proxy.NewOld(), nil }

func (e *elsewhere) modern(capabilities []byte) (mcphttp.Child, error) {
	return translate.NewModern(e.proxy.NewOld(), translate.Options{
		Capabilities: capabilities, Shared: e.cfg.Process == processShared,
		StartTimeout: e.cfg.StartTimeout, States: e.states, Log: e.log,
	}), nil
}

// remoteRoots trusts the authorities in the file beside the system's. Nil means
// the system's alone.
func remoteRoots(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the roots of remote servers: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the roots of remote servers: %s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// workloadTokens is nil where the server gets no token of the workload.
func workloadTokens(cfg Config, server *url.URL, roots *tls.Config, environ []string) (bearer.Source, error) {
	switch {
	case !cfg.WorkloadIdentity:
		return nil, nil
	case cfg.TokenFile != "":
		return bearer.NewFile(cfg.TokenFile), nil
	}
	azure := bearer.AzureFromEnvironment(environ)
	azure.Scope = cfg.TokenScope
	if azure.Scope == "" {
		azure.Scope = server.Scheme + "://" + server.Host + "/.default"
	}
	azure.TLS = roots
	source, err := bearer.NewAzure(azure)
	if err != nil {
		return nil, fmt.Errorf("this workload has no identity: %w", err)
	}
	return source, nil
}
