package local

import (
	"maps"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// environment is all that a bridge is given: what the operator's environment
// has under the allowed names, the adapter's variables, which win, and what rec
// says of adapter and instance. In order of name.
func environment(operator []string, adapter map[string]string, rec record) []string {
	variables := map[string]string{}
	for _, variable := range operator {
		if name, value, ok := strings.Cut(variable, "="); ok && inherited(name) {
			variables[name] = value
		}
	}
	maps.Copy(variables, adapter)
	maps.Copy(variables, otlp.Handed(operator))
	variables[launch.InstanceVariable] = rec.Instance
	variables[launch.AdapterVariable] = rec.Name
	environ := make([]string, 0, len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		environ = append(environ, name+"="+variables[name])
	}
	return environ
}

// inherited reports whether a bridge gets the operator's variable: what is
// needed to find, fetch and run servers as the operator would, and nothing that
// may be a secret of the gateway.
func inherited(name string) bool {
	switch name {
	case "HOME", "PATH", "USER", "LANG", "TZ", "TMPDIR",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE":
		return true
	}
	if slices.Contains(launch.BridgeLimits(), name) {
		return true
	}
	for _, prefix := range []string{"LC_", "XDG_", "PIP_", "UV_", "npm_config_", "NPM_CONFIG_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
