package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/envoy/bootstrap"
	"github.com/mooring-mcp/mooring/envoy/internal/locate"
	"github.com/mooring-mcp/mooring/envoy/internal/logfile"
	"github.com/mooring-mcp/mooring/envoy/internal/state"
	"github.com/mooring-mcp/mooring/envoy/internal/supervise"
	"github.com/mooring-mcp/mooring/envoy/internal/sweep"
)

// Names of the sockets in the runtime folder.
const (
	adminSocket      = "envoy-admin"
	adsSocket        = "ads"
	apiSocket        = "api"
	xdsOpsSocket     = "xds-ops"
	extProcSocket    = "extproc"
	extProcLogSocket = "extproc-log"
	extProcOpsSocket = "extproc-ops"
)

const (
	// xdsStopTimeout is longer than xds takes to end every bridge (15 s).
	xdsStopTimeout   = 20 * time.Second
	otherStopTimeout = 5 * time.Second
	probeTimeout     = 2 * time.Second

	maxConnections = 50_000
	// spareFiles are the open files that are no client's or server's.
	spareFiles = 1024
)

// launch is one start of everything.
type launch struct {
	cfg      Config
	folder   *state.Folder
	programs locate.Programs
	// logs is a socket that listens for Envoy's access logs. While extproc is
	// away it keeps them.
	logs *os.File
}

// parts are what is run, in order of start.
func (l launch) parts() []supervise.Part {
	return []supervise.Part{
		l.withLogs(l.part(supervise.Part{
			Name: "extproc", Ready: probe(l.unix(extProcOpsSocket), "http://extproc/readyz"),
			OnParentDeath: syscall.SIGTERM, StopTimeout: otherStopTimeout,
		}, l.programs.ExtProc, l.extProcArgs())),
		// First to stop: it ends the bridges.
		l.part(supervise.Part{
			Name: "xds", Ready: probe(l.unix(xdsOpsSocket), "http://xds/readyz"),
			OnParentDeath: syscall.SIGTERM, StopFirst: true, StopTimeout: xdsStopTimeout,
		}, l.programs.XDS, l.xdsArgs()),
		l.part(supervise.Part{
			Name: "envoy", Ready: probe(nil, "http://"+reachable(l.cfg.Listen)+"/readyz"),
			OnParentDeath: syscall.SIGKILL, StopTimeout: otherStopTimeout,
		}, l.programs.Envoy, l.envoyArgs()),
	}
}

func (l launch) extProcArgs() []string {
	return append([]string{
		"--socket", l.folder.Socket(extProcSocket), "--ops-socket", l.folder.Socket(extProcOpsSocket),
		"--session-keys", l.folder.SessionKeys(), "--session-jwks", l.folder.SessionJWKS(), "--identity-keys", l.folder.IdentityKeys(),
		"--identity-jwks", l.folder.IdentityJWKS(), "--public-url", l.cfg.PublicURL, "--listen", l.cfg.Listen,
		"--audit", l.folder.AuditMCP(), "--log-fd", strconv.Itoa(firstExtraFile), "--log-level", l.cfg.LogLevel,
	}, l.identityArgs()...)
}

func (l launch) xdsArgs() []string {
	return append([]string{
		"--db", l.folder.Database(), "--adapters-dir", l.folder.Adapters(), "--run-dir", l.folder.Runtime(),
		"--bridge", l.programs.Bridge, "--lease", l.folder.Lease(), "--audit", l.folder.Audit(),
		"--identity-jwks", l.folder.IdentityJWKS(), "--secrets-key", l.folder.SecretsKey(),
		"--ads-socket", l.folder.Socket(adsSocket), "--api-socket", l.folder.Socket(apiSocket),
		"--ops-socket", l.folder.Socket(xdsOpsSocket), "--extproc-ops-socket", l.folder.Socket(extProcOpsSocket),
		"--session-jwks", l.folder.SessionJWKS(),
		"--listen", l.cfg.Listen, "--ops-listen", l.cfg.OpsListen, "--public-url", l.cfg.PublicURL,
		"--log-level", l.cfg.LogLevel,
	}, append(l.identityArgs(), l.policyArgs()...)...)
}

// identityArgs are the same for all who judge credentials.
func (l launch) identityArgs() []string {
	if l.cfg.Auth == "" {
		return nil
	}
	keys := l.cfg.APIKeys
	if keys == "" {
		keys = l.folder.APIKeys()
	}
	return []string{"--auth", l.cfg.Auth, "--api-keys", keys}
}

// policyArgs are for xds, which hands them on to bridges.
func (l launch) policyArgs() []string {
	if l.cfg.Policy == "" {
		return nil
	}
	return []string{"--policy", l.cfg.Policy}
}

func (l launch) envoyArgs() []string {
	return []string{"--config-path", l.folder.Bootstrap(), "--disable-hot-restart", "--log-level", envoyLevels[l.cfg.LogLevel]}
}

// firstExtraFile is the number of the first file that a child gets beside its
// standard ones.
const firstExtraFile = 3

// withLogs hands the socket of the access logs to each start of p.
func (l launch) withLogs(p supervise.Part) supervise.Part {
	command := p.Command
	p.Command = func() *exec.Cmd {
		cmd := command()
		cmd.ExtraFiles = []*os.File{l.logs}
		return cmd
	}
	return p
}

// listenForLogs makes the socket of the access logs, for this user only.
func listenForLogs(folder *state.Folder) (*os.File, error) {
	path := folder.Socket(extProcLogSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the old socket of logs: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listening for logs: %w", err)
	}
	// The file goes on listening; the path stays for Envoy.
	listener.SetUnlinkOnClose(false)
	file, err := listener.File()
	if err := errors.Join(err, os.Chmod(path, 0o600), listener.Close()); err != nil {
		return nil, fmt.Errorf("listening for logs: %w", err)
	}
	return file, nil
}

// envoyLevels are Envoy's names for the levels of logs. At debug Envoy would log
// whole headers, and so the tokens in them.
var envoyLevels = map[string]string{"debug": "info", "info": "info", "warn": "warning", "error": "error"}

// part fills in what all parts have in common.
func (l launch) part(p supervise.Part, program string, args []string) supervise.Part {
	p.Command = func() *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Dir = l.folder.Root()
		cmd.Env = l.environment()
		return cmd
	}
	p.Log = func() (*os.File, error) { return logfile.Open(l.folder.Log(p.Name)) }
	return p
}

// environment marks the parts as this folder's, names files so that they find
// them from there, and adds the installed tools to the end of PATH: uvx is there
// where the machine has none.
func (l launch) environment() []string {
	env := append(otlp.Absolute(os.Environ()), sweep.PartVariable+"="+l.folder.Root())
	if l.programs.Tools != "" {
		env = append(env, "PATH="+os.Getenv("PATH")+string(filepath.ListSeparator)+l.programs.Tools)
	}
	return env
}

func (l launch) unix(name string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", l.folder.Socket(name))
	}
}

// probe looks whether a GET of url is answered with 200. A nil dial means the
// network.
func probe(dial func(context.Context, string, string) (net.Conn, error), url string) func(context.Context) error {
	client := &http.Client{
		Timeout:   probeTimeout,
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	}
}

// reachable is where this machine reaches what listens on address.
func reachable(address string) string {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || !addr.Addr().IsUnspecified() {
		return address
	}
	return fmt.Sprintf("localhost:%d", addr.Port())
}

func renderBootstrap(folder *state.Folder) ([]byte, error) {
	connections, err := connectionLimit()
	if err != nil {
		return nil, err
	}
	heap, err := heapLimit()
	if err != nil {
		return nil, err
	}
	return bootstrap.Render(bootstrap.Config{
		NodeID: "mooring", NodeCluster: "mooring",
		AdminSocket: folder.Socket(adminSocket), ADSSocket: folder.Socket(adsSocket),
		APISocket: folder.Socket(apiSocket), XDSOpsSocket: folder.Socket(xdsOpsSocket),
		ExtProcSocket: folder.Socket(extProcSocket), ExtProcLogSocket: folder.Socket(extProcLogSocket),
		ExtProcOpsSocket: folder.Socket(extProcOpsSocket),
		MaxConnections:   connections, MaxHeapBytes: heap,
	})
}

// connectionLimit keeps clients from using up Envoy's open files, of which each
// takes two: its own and the one to the server. Envoy raises its limit to the
// hard one by itself.
func connectionLimit() (uint32, error) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 0, fmt.Errorf("reading the limit of open files: %w", err)
	}
	if files.Max < 2*spareFiles {
		return uint32(max(files.Max/4, 1)), nil
	}
	return uint32(min((files.Max-spareFiles)/2, maxConnections)), nil
}

// heapLimit is half of the machine's memory.
func heapLimit() (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("reading the machine's memory: %w", err)
	}
	return info.Totalram * uint64(info.Unit) / 2, nil
}
