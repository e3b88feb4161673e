package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"

	"google.golang.org/grpc"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/apikeys"
	"github.com/mooring-mcp/mooring/adapters/apikeys/feed"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/adapters/kube"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/adapters/mtls"
	"github.com/mooring-mcp/mooring/xds/internal/peers"
	"github.com/mooring-mcp/mooring/xds/internal/snapshot"
	"github.com/mooring-mcp/mooring/xds/internal/traffic"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
	"github.com/mooring-mcp/mooring/xds/internal/wake"
)

// wakerListen is where Envoy finds the control plane for requests that are to be
// held: within its own pod.
const wakerListen = "127.0.0.1:18002"

// Kubernetes is what the flags say where adapters run as pods. Any number of
// control planes work side by side; one of them leads.
type Kubernetes struct {
	Shared

	Namespace        string `required:"" placeholder:"NS" help:"Namespace of the adapters and their pods."`
	LeaseNamespace   string `env:"POD_NAMESPACE" placeholder:"NS" help:"Namespace of the lease of the control plane that leads (--namespace)."`
	Identity         string `env:"POD_NAME" placeholder:"NAME" help:"Name of this control plane among the others (the host's)."`
	Kubeconfig       string `placeholder:"FILE" help:"How to reach Kubernetes' API (as a pod does)."`
	Settings         string `required:"" placeholder:"FILE" help:"YAML of what the pods of adapters are like."`
	ADSListen        string `name:"ads-listen" default:"0.0.0.0:18000" placeholder:"HOST:PORT" help:"Where Envoys get their configuration, over mTLS (${default})."`
	APIListen        string `name:"api-listen" default:"0.0.0.0:18001" placeholder:"HOST:PORT" help:"Where the API is, which Envoys serve to clients, over mTLS (${default})."`
	ControlOpsListen string `default:"0.0.0.0:9091" placeholder:"HOST:PORT" help:"Where this control plane serves its metrics and health, in plain HTTP (${default})."`
	Peers            string `placeholder:"HOST:PORT" help:"Name with the addresses of all control planes, and the port of --ads-listen: they tell each other what the Envoys of each have accepted (none: this one says what its own have)."`
	Envoys           string `placeholder:"HOST:PORT" help:"Name with the addresses of all Envoys, and the port of their operations listener: what they and the external processors beside them count is summed up in status (none)."`
	TLSDir           string `required:"" placeholder:"DIR" help:"Folder of tls.crt, tls.key and ca.crt; followed. Clients must have a certificate of that authority."`
	SessionKeys      string `placeholder:"DIR" help:"Folder of extproc's session keys, of which Envoys are told the public halves (none: Envoy lets no request pass by itself)."`
	IdentityKeys     string `placeholder:"DIR" help:"Folder of extproc's identity keys, whose public halves are shown to everybody (none)."`
}

// Validate names every fault of c, and fills in what follows from the rest.
func (c *Kubernetes) Validate() error {
	faults := []error{c.validate()}
	for flag, address := range map[string]string{"--ads-listen": c.ADSListen, "--api-listen": c.APIListen, "--control-ops-listen": c.ControlOpsListen} {
		faults = append(faults, checkAddress(flag, address))
	}
	for flag, address := range map[string]string{"--peers": c.Peers, "--envoys": c.Envoys} {
		if address != "" {
			faults = append(faults, checkAddress(flag, address))
		}
	}
	if c.Identity == "" {
		var err error
		c.Identity, err = os.Hostname()
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// runKubernetes works until ctx ends. Pods of adapters stay.
func runKubernetes(ctx context.Context, cfg Kubernetes, logs *logging.Log) (err error) {
	base, err := newBase(cfg.Shared, logs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.close()) }()
	own, err := mtls.Open(cfg.TLSDir, base.log)
	if err != nil {
		return err
	}
	base.registry.MustRegister(own.Collector())
	sessions, err := openPublic(keys.Session, cfg.SessionKeys, base.log)
	if err != nil {
		return err
	}
	identities, err := openPublic(keys.Identity, cfg.IdentityKeys, base.log)
	if err != nil {
		return err
	}
	r, err := cfg.onCluster(base)
	if err != nil {
		return err
	}
	r.tasks = []func(context.Context) error{own.Run}
	if sessions != nil {
		r.sessions = sessions
	}
	if identities != nil {
		r.identityKeys = func() ([]byte, error) { return identities.KeySet(), nil }
		r.tasks = append(r.tasks, func(ctx context.Context) error { return identities.Run(ctx, func() {}) })
	}
	cfg.measure(&r, base.log)
	r.join = cfg.join(own, base.log)
	p, err := base.assemble(r)
	if err != nil {
		return err
	}
	base.log.Info("serving", "ads", cfg.ADSListen, "api", cfg.APIListen, "namespace", cfg.Namespace, "identity", cfg.Identity)
	return serve(ctx, p, cfg.fronts(p, own, probesHandler(base.registry, p.loop))...)
}

// onCluster connects to Kubernetes, which is not asked for anything yet.
func (c *Kubernetes) onCluster(b *base) (runtime, error) {
	rest, err := kube.Reach(c.Kubeconfig)
	if err != nil {
		return runtime{}, err
	}
	pods, err := kube.LoadSettings(c.Settings)
	if err != nil {
		return runtime{}, err
	}
	remotes, err := c.podRemotes()
	if err != nil {
		return runtime{}, err
	}
	// What may call decides on what may be run, and keys of callers are on the
	// cluster.
	var who identity
	cluster, err := kube.Connect(kube.Config{
		REST: rest, Namespace: c.Namespace, LeaseNamespace: c.LeaseNamespace, Identity: c.Identity,
		PublicURL: c.PublicURL, Settings: pods, Limits: b.limits(), Log: b.log, Metrics: b.registry,
		Check: func(spec adapters.Spec) []adapters.Fault { return b.check(remotes, who)(spec) },
	})
	if err != nil {
		return runtime{}, err
	}
	known := cluster.APIKeys()
	if who, err = b.openIdentity(apikeys.NewDocumentKeyring(known, nil), apikeys.NewDocumentStore(known)); err != nil {
		return runtime{}, err
	}
	r := runtime{
		store: cluster.Store(), deployer: cluster.Deployer(), run: cluster.Run, known: cluster.Known(), report: cluster.ReportProgrammed,
		who: who, remotes: remotes, settings: c.podSettings(),
		services: []func(grpc.ServiceRegistrar){func(to grpc.ServiceRegistrar) { feed.Register(to, known) }},
	}
	if sleeping := pods.ScaleToZero; sleeping.On() {
		if c.Envoys == "" {
			b.log.Warn("no adapter falls asleep: --envoys does not say where it can be seen that nobody calls")
		}
		r.observe = cluster.ObserveUse
		r.settings.Waker = translate.Waker{Listen: wakerListen, Hold: sleeping.WakeTimeout.Duration}
		r.hold = func(loop wake.Loop) (*wake.Waker, error) {
			return wake.New(wake.Config{
				Loop: loop, Wake: cluster.Wake, Timeout: sleeping.WakeTimeout.Duration,
				Most: sleeping.HeldRequests, MostOfOne: sleeping.HeldPerAdapter, Registerer: b.registry, Log: b.log,
			})
		}
	}
	return r, nil
}

// measure has the Envoys' traffic measured, if it is known where they are.
func (c *Kubernetes) measure(r *runtime, log *slog.Logger) {
	if c.Envoys == "" {
		return
	}
	// It was found to be an address.
	host, port, _ := net.SplitHostPort(c.Envoys)
	meter := traffic.New(traffic.Config{Find: traffic.Pods(host, port, nil), Store: r.store, Log: log})
	r.meter, r.connect = meter, meter.Connect
	if r.observe != nil {
		r.observe(meter)
	}
	r.tasks = append(r.tasks, meter.Run)
}

// join makes a control plane one of several. Nil where there are no others.
func (c *Kubernetes) join(own *mtls.Identity, log *slog.Logger) func(*snapshot.Loop) (func(grpc.ServiceRegistrar), func(context.Context) error) {
	if c.Peers == "" {
		return nil
	}
	return func(loop *snapshot.Loop) (func(grpc.ServiceRegistrar), func(context.Context) error) {
		listener := &peers.Listener{Self: c.Identity, Loop: loop, Log: log}
		// It was found to be an address.
		listener.Host, listener.Port, _ = net.SplitHostPort(c.Peers)
		listener.TLS = own.Client(listener.Host)
		return func(to grpc.ServiceRegistrar) { peers.Register(to, c.Identity, loop) }, listener.Run
	}
}

// podRemotes say which addresses a remote server may have. Those that the gateway
// listens at are of its pods, where no other server is.
func (c *Kubernetes) podRemotes() (launch.URLPolicy, error) {
	remotes, err := c.remotePolicy()
	remotes.Own = nil
	return remotes, err
}

// podSettings are those that Envoy's configuration is made under.
func (c *Kubernetes) podSettings() translate.Settings {
	set := c.settings()
	set.Fast = c.Auth != "" && c.SessionKeys != "" && !c.Passing.counts()
	set.Pods, set.OpsAnyHost = true, true
	return set
}

// openPublic is nil where no folder is named.
func openPublic(purpose keys.Purpose, dir string, log *slog.Logger) (*keys.Public, error) {
	if dir == "" {
		return nil, nil
	}
	return keys.OpenPublic(purpose, dir, log)
}

// fronts are what p serves: probes at once, and the rest to whoever has a
// certificate, once there is something to say. Until then Envoys find another
// control plane, or wait for one.
func (c *Kubernetes) fronts(p parts, own *mtls.Identity, probes http.Handler) []func(context.Context) error {
	return []func(context.Context) error{
		func(ctx context.Context) error {
			l, err := net.Listen("tcp", c.ControlOpsListen)
			if err != nil {
				return named("listening for probes", err)
			}
			return serveHTTP(ctx, l, probes)
		},
		whenPublished(p, c.ADSListen, own.Server("h2"), p.discovery.Serve),
		whenPublished(p, c.APIListen, own.Server("h2", "http/1.1"), func(ctx context.Context, l net.Listener) error {
			return serveHTTP(ctx, l, p.api)
		}),
	}
}

func whenPublished(p parts, address string, config *tls.Config, serve func(context.Context, net.Listener) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-p.loop.Published():
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return named("listening", err)
		}
		return serve(ctx, tls.NewListener(l, config))
	}
}
