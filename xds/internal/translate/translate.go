// Package translate computes Envoy's configuration: from the settings of the
// gateway and the adapters with their instances to the resources that Envoy is
// given. It is pure: no input or output, no clock, no randomness, and the same
// input gives the same resources in the same order. It refuses to know how
// resources reach Envoy and what Envoy says of them.
package translate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Entry is an adapter and what runs of it.
type Entry struct {
	Adapter   adapters.Adapter
	Instances []adapters.Instance
	// Tools are the names of the adapter's tools, of which the external processor
	// is told the first 200 that fit. Nil means that they are not known.
	Tools []string
}

// Adapter is the configuration of one adapter. It is not changed once made.
type Adapter struct {
	// UID and Name are those of the adapter.
	UID  adapters.UID
	Name string
	// Cluster and Endpoints are the adapter's own resources.
	Cluster   *clusterv3.Cluster
	Endpoints *endpointv3.ClusterLoadAssignment
	// Routes is a RouteList: the adapter's part of the one route
	// configuration.
	Routes *anypb.Any
	// Fast says that there is a fast route among them.
	Fast bool
}

// Resources are all resources, in a fixed order.
type Resources struct {
	Listeners []*listenerv3.Listener
	Routes    []*routev3.RouteConfiguration
	Clusters  []*clusterv3.Cluster
	Endpoints []*endpointv3.ClusterLoadAssignment
	// Filters are those whose configuration comes apart from the listener.
	Filters []*corev3.TypedExtensionConfig
}

// Translator translates under fixed settings. It is safe for use by several
// goroutines.
type Translator struct {
	limits  Limits
	hosts   []string
	address authn.Address
	fast    bool
	pods    bool
	waker   waker
	// traces is nil where none are recorded.
	traces *otlp.Sampler
	// told is Settings.Told.
	told      string
	listeners []*listenerv3.Listener
}

// New is a Translator for s. Every fault of s is named in the error.
func New(s Settings) (*Translator, error) {
	r, err := s.resolve()
	if err != nil {
		return nil, err
	}
	t := &Translator{
		limits: r.limits, hosts: r.hosts, address: r.address, fast: r.fast, pods: r.pods, waker: r.waker, traces: r.traces, told: r.told,
	}
	public, ops := publicListener(r), opsListener(r)
	if err := errors.Join(public.ValidateAll(), ops.ValidateAll()); err != nil {
		return nil, fmt.Errorf("translating listeners: %w", err)
	}
	t.listeners = []*listenerv3.Listener{ops, public}
	if r.waker.on {
		held := wakerListener(r)
		if err := held.ValidateAll(); err != nil {
			return nil, fmt.Errorf("translating listeners: %w", err)
		}
		t.listeners = append(t.listeners, held)
	}
	return t, nil
}

// Adapter translates one adapter. The error says why Envoy would not take it.
func (t *Translator) Adapter(e Entry) (*Adapter, error) {
	endpoints, err := t.endpointsOf(e)
	if err != nil {
		return nil, fmt.Errorf("translating adapter %q: %w", e.Adapter.Name, err)
	}
	routes := t.adapterRoutes(e.Adapter, e.Tools)
	a := &Adapter{
		UID:       e.Adapter.ID,
		Name:      e.Adapter.Name,
		Cluster:   t.clusterOf(e.Adapter),
		Endpoints: endpoints,
		Fast:      t.isFast(e.Adapter),
	}
	err = errors.Join(a.Cluster.ValidateAll(), a.Endpoints.ValidateAll(), routes.ValidateAll(),
		marshals(a.Cluster), marshals(a.Endpoints), marshals(routes))
	if err != nil {
		return nil, fmt.Errorf("translating adapter %q: %w", e.Adapter.Name, err)
	}
	a.Routes = packed(routes)
	return a, nil
}

// Resources joins the adapters' configuration with the gateway's own. Envoy lets
// pass by itself what trust allows.
func (t *Translator) Resources(list []*Adapter, trust Trust) (Resources, error) {
	list = slices.SortedFunc(slices.Values(list), func(a, b *Adapter) int { return cmp.Compare(a.Name, b.Name) })
	out := Resources{
		Listeners: t.listeners,
		Routes:    []*routev3.RouteConfiguration{t.publicRoutes(list)},
		Clusters:  make([]*clusterv3.Cluster, 0, len(list)),
		Endpoints: make([]*endpointv3.ClusterLoadAssignment, 0, len(list)),
	}
	for _, a := range list {
		out.Clusters = append(out.Clusters, a.Cluster)
		out.Endpoints = append(out.Endpoints, a.Endpoints)
	}
	if !t.fast {
		return out, nil
	}
	if !slices.ContainsFunc(list, func(a *Adapter) bool { return a.Fast }) {
		trust = Trust{}
	}
	var err error
	out.Filters, err = t.filters(trust)
	return out, err
}

// filters are the filters that come apart from the listener. Where nothing is to
// be let pass, requests are spared the question.
func (t *Translator) filters(trust Trust) ([]*corev3.TypedExtensionConfig, error) {
	tokens, judge := jwtAuthn(trust), proto.Message(extProc(t.limits))
	if !trust.empty() {
		var err error
		if judge, err = judging(t.limits, trust); err != nil {
			return nil, fmt.Errorf("translating filters: %w", err)
		}
	}
	if err := errors.Join(tokens.ValidateAll(), marshals(tokens), marshals(judge)); err != nil {
		return nil, fmt.Errorf("translating filters: %w", err)
	}
	return []*corev3.TypedExtensionConfig{extension(contract.FilterExtProc, judge), extension(contract.FilterJWT, tokens)}, nil
}

// marshals answers why m cannot be sent, such as a string that is not UTF-8,
// which validation does not look at.
func marshals(m proto.Message) error {
	_, err := proto.Marshal(m)
	return err
}
