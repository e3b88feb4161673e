package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

// processShared is the Config.Process of servers that all users share.
const processShared = "shared"

// recoveryResume is the Config.SessionRecovery by which sessions outlive their
// processes.
const recoveryResume = "resume"

// The Config.ProxyForward by which a remote server learns who calls, or gets the
// token that the gateway has for it.
const (
	forwardIdentity      = "identity"
	forwardAuthorization = "authorization"
)

// directAuto is the Config.Direct by which npx and uvx do not stay beside what
// they start.
const directAuto = "auto"

// Config is what the bridge is told by flags and environment; flags win.
type Config struct {
	Command  string `env:"MCP_COMMAND" help:"Program of the stdio server."`
	Args     string `env:"MCP_ARGS" help:"Its arguments, split as a POSIX shell does, or a JSON array."`
	ProxyURL string `env:"MCP_PROXY_URL" name:"proxy-url" help:"URL of the remote server, instead of a program."`

	ProxyForward string `env:"MCP_PROXY_FORWARD" enum:"none,identity,authorization" default:"none" help:"Which headers of the gateway a remote server gets. identity: those that say who calls. authorization: Authorization, which behind the gateway is never the client's own."`

	ProxyHeaders string `env:"MCP_PROXY_HEADERS" placeholder:"JSON" help:"Headers that a remote server gets with each request, and the variables that have their values: {\"Authorization\": {\"variable\": \"API_TOKEN\", \"scheme\": \"Bearer\"}}."`

	SecretVariables []string `env:"MCP_SECRET_VARIABLES" placeholder:"NAME,..." help:"Variables whose values must not show in what is logged and answered."`

	Process string `env:"MCP_PROCESS" enum:"isolated,shared" default:"isolated" help:"isolated: no two users share a server process. shared: all do."`

	Direct           string `env:"MCP_DIRECT" enum:"auto,never" default:"auto" help:"auto: sessions run the program that npx or uvx would run, without it, where that is equal. never: they run the command as it is."`
	Spares           int    `env:"MCP_SPARES" default:"1" help:"Server processes started ahead, for sessions to come; 0 for none. Not with --process shared."`
	WorkloadIdentity bool   `env:"MOORING_WORKLOAD_IDENTITY" help:"Send the remote server a bearer token of this workload: that of --token-file, or one of Entra ID by the variables of Azure's webhook (AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST). https only."`
	TokenFile        string `env:"MOORING_TOKEN_FILE" placeholder:"FILE" help:"Token of this workload for the remote server, read again when it changes."`
	TokenScope       string `env:"MCP_PROXY_SCOPE" help:"What the token of Entra ID is for. Default: /.default at the remote server's own address."`
	RemoteRoots      string `env:"MOORING_REMOTE_ROOTS" placeholder:"FILE" help:"Certificates (PEM) of authorities that remote servers may have theirs from, beside the system's."`

	SessionRecovery string `env:"MCP_SESSION_RECOVERY" enum:"resume,fail" default:"resume" help:"resume: sessions outlive their server processes (needs --state-dir). fail: they end with them."`
	SealingKey      string `placeholder:"FILE" help:"Key of session ids and request states, the same for all replicas; made where absent. Default: in the state folder."`

	SessionsDir string `placeholder:"DIR" help:"Folder for notes on sessions, which replicas may share; made where absent. Default: in the state folder."`

	Listen       string        `env:"MCP_LISTEN" default:":8000" help:"Address to serve at: host:port or unix:/absolute/path."`
	LogFile      string        `placeholder:"FILE" help:"Log there instead of to standard error."`
	LogMaxBytes  ByteSize      `default:"4MiB" help:"Size at which the log file becomes FILE.1."`
	LogLevel     slog.Level    `env:"MOORING_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	StateDir     string        `placeholder:"DIR" help:"Folder for what must outlive this process; made where absent."`
	WorkDir      string        `placeholder:"DIR" help:"Working directory of servers; made where absent. Default: the current one."`
	Lease        string        `placeholder:"FILE" help:"Lock file of the owner: when nobody holds it for 30 s, end."`
	DrainTimeout time.Duration `default:"5m" help:"How long open sessions may last after SIGTERM."`

	AllowLoopback bool             `help:"Allow a remote URL on this machine's loopback addresses."`
	DenyDial      []netip.AddrPort `placeholder:"IP:PORT" help:"Where the gateway listens: no remote server may be there. 0.0.0.0 and [::] mean every address of this machine."`
	Policy        string           `placeholder:"FILE" help:"The operator's rules, whose egress narrows or widens where a remote server may be; read at each connection."`

	MaxSessions     int           `env:"MOORING_MAX_SESSIONS" default:"100" help:"Sessions, each with a server process, at a time."`
	MaxInFlight     int           `env:"MOORING_MAX_IN_FLIGHT" default:"256" help:"Unanswered requests of one session."`
	IdleTimeout     time.Duration `env:"MOORING_SESSION_IDLE_TIMEOUT" default:"30m" help:"End of sessions without request or stream."`
	SessionLifetime time.Duration `env:"MOORING_SESSION_LIFETIME" default:"24h" help:"End of server processes, however much they are used; sessions that resume go on with new ones."`
	StartTimeout    time.Duration `env:"MOORING_START_TIMEOUT" default:"5m" help:"How long a server may take to answer initialize."`
	ResponseTimeout time.Duration `env:"MOORING_RESPONSE_TIMEOUT" default:"10m" help:"How long a remote server may take to begin an answer."`
	MaxBodyBytes    ByteSize      `env:"MOORING_MAX_BODY_BYTES" default:"4MiB" help:"Longest message from a client."`
	MaxLineBytes    ByteSize      `env:"MOORING_MAX_LINE_BYTES" default:"16MiB" help:"Longest message from a stdio server."`
	ServerLogLines  int           `env:"MOORING_SERVER_LOG_LINES" default:"50" help:"Lines in a second that are logged of what a server writes outside of the protocol, after ten times as many."`

	Version kong.VersionFlag `help:"Print the version and end."`

	Instance string `env:"MOORING_INSTANCE" hidden:"" help:"Id of this instance; its servers carry it."`
	Adapter  string `env:"MOORING_ADAPTER" hidden:"" help:"Name of the adapter, for metrics."`
}

// Validate names everything that is wrong.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch {
	case c.Command == "" && c.ProxyURL == "":
		fault("nothing to run: set MCP_COMMAND, or MCP_PROXY_URL")
	case c.Command != "" && c.ProxyURL != "":
		fault("MCP_COMMAND and MCP_PROXY_URL exclude each other")
	case c.Command == "" && c.Args != "":
		fault("MCP_ARGS is of no use without MCP_COMMAND")
	case c.Command != "" && c.ProxyHeaders != "":
		fault("MCP_PROXY_HEADERS is of no use without MCP_PROXY_URL")
	case c.Command != "":
		if _, err := launch.SplitArgs(c.Args); err != nil {
			fault("MCP_ARGS: %w", err)
		}
	default:
		if err := launch.CheckURL(c.ProxyURL, c.remotePolicy()); err != nil {
			fault("MCP_PROXY_URL: %w", err)
		} else if c.WorkloadIdentity && !strings.HasPrefix(strings.ToLower(c.ProxyURL), "https:") {
			fault("a workload's token is sent by https only, and MCP_PROXY_URL is http")
		}
	}
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok && !filepath.IsAbs(path) {
		fault("the socket to listen at must have an absolute path")
	}
	for name, n := range map[string]int64{
		"log-max-bytes": int64(c.LogMaxBytes), "max-body-bytes": int64(c.MaxBodyBytes), "max-line-bytes": int64(c.MaxLineBytes),
		"max-sessions": int64(c.MaxSessions), "max-in-flight": int64(c.MaxInFlight), "idle-timeout": int64(c.IdleTimeout),
		"session-lifetime": int64(c.SessionLifetime), "server-log-lines": int64(c.ServerLogLines),
		"start-timeout": int64(c.StartTimeout), "response-timeout": int64(c.ResponseTimeout), "drain-timeout": int64(c.DrainTimeout),
	} {
		if n <= 0 {
			fault("%s must be more than zero", name)
		}
	}
	if c.Spares < 0 {
		fault("spares must not be less than zero")
	}
	return errors.Join(faults...)
}

// remotePolicy says which addresses the remote server may have.
func (c Config) remotePolicy() launch.URLPolicy {
	return launch.URLPolicy{AllowLoopback: c.AllowLoopback, Own: c.DenyDial}
}

// forwarded are the names of the gateway's headers that a remote server gets.
func (c Config) forwarded() []string {
	switch c.ProxyForward {
	case forwardIdentity:
		return launch.IdentityHeaders()
	case forwardAuthorization:
		return []string{"authorization"}
	}
	return nil
}

// ByteSize is a number of bytes, written plain or with KiB, MiB or GiB.
type ByteSize int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *ByteSize) UnmarshalText(text []byte) error {
	digits, shift := string(text), 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(digits, unit); ok {
			digits, shift = strings.TrimSpace(rest), 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is no size: write a number of bytes, or one with KiB, MiB or GiB", text)
	}
	*b = ByteSize(n << shift)
	return nil
}
