package bootstrap

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// ControlPlane is a control plane of any number of replicas, beyond a network.
type ControlPlane struct {
	// Host is a name with the addresses of all replicas that serve. Their
	// certificates must be for this name. Required.
	Host string `json:"host"`
	// ADSPort and APIPort are those of discovery and of the API, over mTLS.
	// OpsPort is that of metrics and health, in plain HTTP. All are required.
	ADSPort uint32 `json:"adsPort"`
	APIPort uint32 `json:"apiPort"`
	OpsPort uint32 `json:"opsPort"`
	// CertificateDir is a folder like a mounted Secret of type kubernetes.io/tls
	// with the authority: tls.crt, tls.key and ca.crt. Envoy reads them again
	// when the folder's content is replaced at once, as by kubelet. Required.
	CertificateDir string `json:"certificateDir"`
	// SecretsDir is the folder of the files that Secrets returns. Required.
	SecretsDir string `json:"secretsDir"`
}

const clusterDNS = "envoy.clusters.dns"

const (
	// A replica whose machine is gone says no word: it is found by a ping that is
	// not answered.
	pingInterval = 5 * time.Second
	pingTimeout  = 2 * time.Second
	// dnsInterval is how often the replicas' addresses are asked for, and
	// dnsRetryBase how soon again where there is no answer.
	dnsInterval  = 5 * time.Second
	dnsRetryBase = 200 * time.Millisecond
	// ejection is for how long a replica is left out that could not be reached. One
	// that comes back is missed for as long.
	ejection      = 2 * time.Second
	ejectAfter    = 1
	ejectInterval = time.Second
	allOfThem     = 100
)

func (p *ControlPlane) validate() error {
	var faults []error
	if p.Host == "" {
		faults = append(faults, errors.New("the host of the control plane is required"))
	}
	for name, port := range map[string]uint32{"ADS": p.ADSPort, "API": p.APIPort, "operations": p.OpsPort} {
		if port == 0 || port > 65535 {
			faults = append(faults, fmt.Errorf("%s port %d of the control plane is not a port", name, port))
		}
	}
	for name, dir := range map[string]string{"certificates": p.CertificateDir, "secrets": p.SecretsDir} {
		if !filepath.IsAbs(dir) {
			faults = append(faults, fmt.Errorf("folder %q of %s is not an absolute path", dir, name))
		}
	}
	return errors.Join(faults...)
}

// clusters are discovery, the API and operations.
func (p *ControlPlane) clusters() ([]*clusterv3.Cluster, error) {
	var all []*clusterv3.Cluster
	for _, s := range []struct {
		name string
		port uint32
	}{{contract.ClusterADS, p.ADSPort}, {contract.ClusterAPI, p.APIPort}} {
		c, err := p.cluster(s.name, s.port)
		if err != nil {
			return nil, err
		}
		err = speakHTTP2(c, &corev3.Http2ProtocolOptions{ConnectionKeepalive: &corev3.KeepaliveSettings{
			Interval: durationpb.New(pingInterval), Timeout: durationpb.New(pingTimeout),
		}})
		if err != nil {
			return nil, err
		}
		if c.TransportSocket, err = p.transport(); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	ops, err := p.cluster(contract.ClusterControlPlaneOps, p.OpsPort)
	return append(all, ops), err
}

// cluster has all replicas behind the name. One that cannot be reached is left
// out for a while; where that is all, none is.
func (p *ControlPlane) cluster(name string, port uint32) (*clusterv3.Cluster, error) {
	c := cluster(name, &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: p.Host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}})
	replicas, err := anypb.New(&dnsv3.DnsCluster{
		DnsRefreshRate: durationpb.New(dnsInterval),
		DnsFailureRefreshRate: &dnsv3.DnsCluster_RefreshRate{
			BaseInterval: durationpb.New(dnsRetryBase), MaxInterval: durationpb.New(dnsInterval),
		},
		DnsLookupFamily: commondnsv3.DnsLookupFamily_V4_PREFERRED,
		// Each replica by itself, and only those that DNS has.
		AllAddressesInSingleEndpoint: false,
	})
	if err != nil {
		return nil, fmt.Errorf("rendering cluster %s: %w", name, err)
	}
	c.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: clusterDNS, TypedConfig: replicas,
	}}
	c.OutlierDetection = &clusterv3.OutlierDetection{
		// The answers of a replica say nothing of whether another's were better.
		SplitExternalLocalOriginErrors:         true,
		EnforcingConsecutive_5Xx:               wrapperspb.UInt32(0),
		EnforcingConsecutiveGatewayFailure:     wrapperspb.UInt32(0),
		EnforcingSuccessRate:                   wrapperspb.UInt32(0),
		EnforcingLocalOriginSuccessRate:        wrapperspb.UInt32(0),
		ConsecutiveLocalOriginFailure:          wrapperspb.UInt32(ejectAfter),
		EnforcingConsecutiveLocalOriginFailure: wrapperspb.UInt32(allOfThem),
		Interval:                               durationpb.New(ejectInterval),
		BaseEjectionTime:                       durationpb.New(ejection),
		MaxEjectionTime:                        durationpb.New(ejection),
		MaxEjectionPercent:                     wrapperspb.UInt32(allOfThem),
	}
	return c, nil
}
