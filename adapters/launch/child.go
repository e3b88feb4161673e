package launch

import (
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// The variables that the gateway and its bridges speak with.
const (
	// InstanceVariable holds the id of the instance that a process belongs to:
	// set for each bridge, and by the bridge for each of its children, so that
	// what a killed bridge leaves behind can be found.
	InstanceVariable = "MOORING_INSTANCE"
	// AdapterVariable tells a bridge the name of its adapter, for metrics.
	AdapterVariable = "MOORING_ADAPTER"

	reservedPrefix = "MOORING_"
)

// The variables that tell the bridge what to run.
const (
	// CommandVariable names the stdio server's program.
	CommandVariable = "MCP_COMMAND"
	// ArgsVariable holds its arguments, as SplitArgs reads them.
	ArgsVariable = "MCP_ARGS"
	// ProxyURLVariable names the remote server, as CheckURL judges it.
	ProxyURLVariable = "MCP_PROXY_URL"
	// ProxyHeadersVariable names the headers that the remote server gets, as
	// ProxyHeaders reads them.
	ProxyHeadersVariable = "MCP_PROXY_HEADERS"
	// SecretsVariable holds the names of the variables whose values must not show
	// in what the bridge logs, with a comma between each two.
	SecretsVariable = "MCP_SECRET_VARIABLES"
)

// BridgeLimits are the variables by which an operator bounds what a bridge takes:
// no adapter may set them, and children do not get them.
func BridgeLimits() []string {
	return []string{
		"MOORING_MAX_SESSIONS", "MOORING_MAX_IN_FLIGHT", "MOORING_SESSION_IDLE_TIMEOUT", "MOORING_SESSION_LIFETIME",
		"MOORING_START_TIMEOUT", "MOORING_RESPONSE_TIMEOUT", "MOORING_MAX_LINE_BYTES", "MOORING_SERVER_LOG_LINES",
	}
}

// ChildEnvironment is what a bridge gives to its children, when environ
// ("NAME=value" each) is its own environment: all but what was meant for the
// bridge itself, of a bridge alone the credentials that it sends traces with,
// and the id of the instance that they belong to (none when
// instance is empty). Of a name that is there twice, the last value counts, as
// in os/exec. The order is that of environ.
func ChildEnvironment(environ []string, instance string) []string {
	child := make([]string, 0, len(environ)+1)
	seen := map[string]bool{}
	for _, variable := range slices.Backward(environ) {
		name, _, ok := strings.Cut(variable, "=")
		if !ok || name == "" || seen[name] || ForBridge(name) || instance == "" && otlp.Secret(name) {
			continue
		}
		seen[name] = true
		child = append(child, variable)
	}
	slices.Reverse(child)
	if instance != "" {
		child = append(child, InstanceVariable+"="+instance)
	}
	return child
}

// ForBridge reports whether the variable is read by the bridge. Other MCP_*
// names belong to the server: many servers have settings under that prefix.
func ForBridge(name string) bool {
	switch name {
	case CommandVariable, ArgsVariable, ProxyURLVariable, "MCP_LISTEN", "MCP_PROCESS", "MCP_SESSION_RECOVERY", "MCP_PROXY_FORWARD", "MCP_PROXY_SCOPE",
		"MCP_DIRECT", "MCP_SPARES", ProxyHeadersVariable, SecretsVariable:
		return true
	}
	return strings.HasPrefix(name, reservedPrefix)
}
