package translate

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters"
)

const (
	// podConnectTimeout lets the first packet be lost once: it is sent again after
	// a second.
	podConnectTimeout = 2 * time.Second
	// podSilence is how long a pod may leave what it was sent without so much as
	// the transport's own answer. Without it, the kernel goes on for a quarter of an
	// hour.
	podSilence = 20 * time.Second
	// A stream on which nothing is sent finds out in the same time.
	podKeepAliveIdle     = 10
	podKeepAliveInterval = 5
	podKeepAliveProbes   = 2

	// ejectAfter is how often in a row a pod must not have been reached, and
	// ejection for how long nobody is sent to it then.
	ejectAfter = 3
	ejection   = 10 * time.Second
	// mostEjected is the share of pods, in percent, that may be left out: never the
	// only one.
	mostEjected = 50
)

// Linux's numbers of the option for podSilence.
const (
	levelTCP       = 6
	tcpUserTimeout = 18
)

// onNetwork prepares the cluster of a for pods whose machine is gone: it takes
// Kubernetes the better part of a minute to say so.
func onNetwork(cluster *clusterv3.Cluster, a adapters.Adapter) {
	cluster.ConnectTimeout = durationpb.New(podConnectTimeout)
	cluster.UpstreamConnectionOptions.TcpKeepalive = &corev3.TcpKeepalive{
		KeepaliveTime:     wrapperspb.UInt32(podKeepAliveIdle),
		KeepaliveInterval: wrapperspb.UInt32(podKeepAliveInterval),
		KeepaliveProbes:   wrapperspb.UInt32(podKeepAliveProbes),
	}
	cluster.UpstreamBindConfig = &corev3.BindConfig{SocketOptions: []*corev3.SocketOption{{
		Description: "TCP_USER_TIMEOUT", Level: levelTCP, Name: tcpUserTimeout,
		Value: &corev3.SocketOption_IntValue{IntValue: podSilence.Milliseconds()},
		State: corev3.SocketOption_STATE_PREBIND,
	}}}
	// A session that can go on only where it was must not be told that it is gone
	// because its pod was not reached for a moment.
	if a.RecoversSessions() {
		cluster.OutlierDetection = eject()
	}
}

// eject leaves out who cannot be reached. What a server answers is no reason.
func eject() *clusterv3.OutlierDetection {
	never, always := wrapperspb.UInt32(0), wrapperspb.UInt32(100)
	return &clusterv3.OutlierDetection{
		SplitExternalLocalOriginErrors:         true,
		EnforcingConsecutive_5Xx:               never,
		EnforcingConsecutiveGatewayFailure:     never,
		EnforcingSuccessRate:                   never,
		EnforcingLocalOriginSuccessRate:        never,
		ConsecutiveLocalOriginFailure:          wrapperspb.UInt32(ejectAfter),
		EnforcingConsecutiveLocalOriginFailure: always,
		BaseEjectionTime:                       durationpb.New(ejection),
		MaxEjectionTime:                        durationpb.New(ejection),
		MaxEjectionPercent:                     wrapperspb.UInt32(mostEjected),
	}
}
