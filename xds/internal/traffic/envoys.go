package traffic

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Envoy is where one is read, and the external processor beside it.
type Envoy struct {
	// Name tells it from others.
	Name string
	// Network and Address are what to dial.
	Network, Address string
	// Metrics is the path and query of the processor's metrics.
	Metrics string
	// Series, and the name of an adapter, is the path at which the processor can be
	// told to forget it. Empty means that it cannot.
	Series string
	// Calls is the path and query of what Envoy counts of its clusters. Empty means
	// that it is not told, and so that no adapter is known to be idle.
	Calls string
}

// callsFilter leaves of Envoy's statistics those that calls reads. The others
// would be a hundred times as many.
const callsFilter = `^(cluster\.[^.]+\.upstream_rq_(total|active|pending_active)|server\.uptime)$`

// wanted is the query by which the processor leaves out what parse does not read.
func wanted() string {
	return "?" + url.Values{"name[]": {metricRequests, metricDurations, metricSessions, metricStart}}.Encode()
}

// Socket finds the one external processor whose operations socket that is.
func Socket(path string) func(context.Context) ([]Envoy, error) {
	envoys := []Envoy{{Name: path, Network: "unix", Address: path, Metrics: "/metrics" + wanted(), Series: contract.PathSeries}}
	return func(context.Context) ([]Envoy, error) { return envoys, nil }
}

// Pods finds the Envoys at all addresses of a name, each with its operations
// listener at the port. Nil for lookup means DNS.
func Pods(host, port string, lookup func(ctx context.Context, host string) ([]string, error)) func(context.Context) ([]Envoy, error) {
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	calls := "/metrics/envoy?usedonly&filter=" + url.QueryEscape(callsFilter)
	return func(ctx context.Context) ([]Envoy, error) {
		addresses, err := lookup(ctx, host)
		if err != nil {
			return nil, fmt.Errorf("looking for Envoys: %w", err)
		}
		envoys := make([]Envoy, 0, len(addresses))
		for _, address := range addresses {
			envoys = append(envoys, Envoy{
				Name: address, Network: "tcp", Address: net.JoinHostPort(address, port),
				Metrics: "/metrics/extproc" + wanted(), Calls: calls,
			})
		}
		return envoys, nil
	}
}

// client speaks to e alone.
func (e Envoy) client() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, e.Network, e.Address)
		},
	}}
}

// host is what e is asked as.
func (e Envoy) host() string {
	if e.Network == "unix" {
		return "localhost"
	}
	return e.Address
}
