package translate

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	// wakeSlack is how much longer than the control plane Envoy waits for it, which
	// ends by itself.
	wakeSlack = 10 * time.Second
	// wakeRetries is how often a request that was held is held anew, as when a
	// control plane ends.
	wakeRetries = 5
	// retryHeldOn are failures after which a request is held by another control
	// plane. None of them has a server that the request could have reached.
	retryHeldOn = "connect-failure,refused-stream,reset"
	// retryUnsentOn are those after which requests of adapters are sent again whose
	// sessions live in one replica only.
	retryUnsentOn = "connect-failure,retriable-headers"
	// The public listener has let pass the client's headers, and others have been
	// added to them.
	heldHeaders    = 2 * maxHeaders
	heldHeadersKiB = 96
)

// waker is Waker in the form that resources are made of.
type waker struct {
	on   bool
	at   netip.AddrPort
	hold time.Duration
}

func (w Waker) resolve() (waker, error) {
	if !w.On() {
		return waker{}, nil
	}
	at, err := listenAddress("waker's address", w.Listen)
	if err == nil && !at.Addr().IsLoopback() {
		err = fmt.Errorf("waker's address: %q is not of this machine alone", w.Listen)
	}
	if err == nil && w.Hold <= 0 {
		err = errors.New("waker: it must be said for how long requests are held")
	}
	return waker{on: true, at: at, hold: w.Hold}, err
}

// holds reports whether requests to e are held: it is to have replicas, and none
// takes what is new.
func (t *Translator) holds(e Entry) bool {
	if !t.waker.on || e.Adapter.ReplicaCount == 0 {
		return false
	}
	for _, i := range e.Instances {
		if i.State == adapters.InstanceReady {
			return false
		}
	}
	return true
}

// mayBeHeld prepares r for that: the control plane is told the adapter's name, and
// a request that was held is sent again.
func mayBeHeld(r *routev3.Route, adapter string) {
	r.RequestHeadersToAdd = append(r.RequestHeadersToAdd, &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: launch.HeaderAdapter, Value: adapter},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	})
	if r.GetRoute().RetryPolicy == nil {
		r.GetRoute().RetryPolicy = again(retryUnsentOn)
	}
}

// wakerListener brings requests that are to be held to a control plane. It is
// between clusters of adapters, whose connections are plain, and the cluster of
// the control plane, which finds another where one ends.
func wakerListener(r resolved) *listenerv3.Listener {
	hcm := connectionManager("waker", r.limits)
	// What it is told by internal headers comes from this Envoy.
	hcm.EarlyHeaderMutationExtensions = nil
	hcm.StreamIdleTimeout = durationpb.New(0)
	hcm.MaxRequestHeadersKb = wrapperspb.UInt32(heldHeadersKiB)
	hcm.CommonHttpProtocolOptions.MaxHeadersCount = wrapperspb.UInt32(heldHeaders)
	hcm.HttpFilters = []*hcmv3.HttpFilter{filter(filterRouter, router())}
	hcm.LocalReplyConfig = localReplies()
	hcm.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: heldRoutes(r.waker)}
	return listener(contract.ListenerWaker, r.waker.at, r.limits, hcm)
}

func heldRoutes(w waker) *routev3.RouteConfiguration {
	retry := elsewhere()
	retry.RetryOn, retry.NumRetries = retryHeldOn, wrapperspb.UInt32(wakeRetries)
	return &routev3.RouteConfiguration{
		Name: contract.ListenerWaker,
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    "waker",
			Domains: []string{anyHost},
			Routes: []*routev3.Route{{
				Match: pathPrefix("/"),
				Action: &routev3.Route_Route{Route: &routev3.RouteAction{
					ClusterSpecifier:     &routev3.RouteAction_Cluster{Cluster: contract.ClusterAPI},
					HostRewriteSpecifier: &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: contract.HostWaker},
					Timeout:              durationpb.New(w.hold + wakeSlack),
					IdleTimeout:          durationpb.New(0),
					RetryPolicy:          retry,
				}},
			}},
		}},
	}
}
