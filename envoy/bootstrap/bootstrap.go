// Package bootstrap renders what Envoy is started with: who it is, where its
// control plane and external processor are, and its limits. Listeners, routes
// and adapters come later, from the control plane. It starts nothing and reads
// no files.
package bootstrap

import (
	"errors"
	"fmt"
	"path/filepath"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Config is what a bootstrap depends on. Every socket is the absolute path of a
// Unix socket.
type Config struct {
	// NodeID and NodeCluster name this Envoy to the control plane. Required.
	NodeID      string `json:"nodeID"`
	NodeCluster string `json:"nodeCluster"`

	// AdminSocket is where Envoy's admin interface is made, with mode 0600.
	AdminSocket string `json:"adminSocket"`
	// ADSSocket, APISocket and XDSOpsSocket are the control plane's. They are
	// empty where ControlPlane says where that is.
	ADSSocket    string `json:"adsSocket"`
	APISocket    string `json:"apiSocket"`
	XDSOpsSocket string `json:"xdsOpsSocket"`
	// ControlPlane is the control plane where a network lies between. Nil means
	// that it is on this machine, on the sockets.
	ControlPlane *ControlPlane `json:"controlPlane"`
	// ExtProcSocket, ExtProcLogSocket and ExtProcOpsSocket are the external
	// processor's.
	ExtProcSocket    string `json:"extProcSocket"`
	ExtProcLogSocket string `json:"extProcLogSocket"`
	ExtProcOpsSocket string `json:"extProcOpsSocket"`

	// MaxConnections bounds the connections of all clients together; more are
	// closed at once. Required: there is no safe "unlimited".
	MaxConnections uint32 `json:"maxConnections"`
	// MaxHeapBytes is where Envoy stops accepting requests rather than being
	// killed. Zero means no bound.
	MaxHeapBytes uint64 `json:"maxHeapBytes"`
}

// maxOpsConnections is far above any number of scrapers.
const maxOpsConnections = 256

// socket is a path, and what is there.
type socket struct{ name, path string }

// Validate names every fault of c.
func (c Config) Validate() error {
	var faults []error
	if c.NodeID == "" || c.NodeCluster == "" {
		faults = append(faults, errors.New("node id and cluster are required"))
	}
	sockets := []socket{
		{"admin", c.AdminSocket}, {"extproc", c.ExtProcSocket}, {"extproc log", c.ExtProcLogSocket}, {"extproc operations", c.ExtProcOpsSocket},
	}
	controlPlane := []socket{{"ADS", c.ADSSocket}, {"API", c.APISocket}, {"xds operations", c.XDSOpsSocket}}
	if c.ControlPlane == nil {
		sockets = append(sockets, controlPlane...)
	} else {
		faults = append(faults, c.ControlPlane.validate())
		for _, s := range controlPlane {
			if s.path != "" {
				faults = append(faults, fmt.Errorf("%s socket %q beside a control plane elsewhere", s.name, s.path))
			}
		}
	}
	for _, s := range sockets {
		if !filepath.IsAbs(s.path) {
			faults = append(faults, fmt.Errorf("%s socket %q is not an absolute path", s.name, s.path))
		}
	}
	if c.MaxConnections == 0 {
		faults = append(faults, errors.New("a maximum of connections is required"))
	}
	return errors.Join(faults...)
}

// Render is c as the YAML that Envoy reads, the same text for the same c.
func Render(c Config) ([]byte, error) {
	b, err := Build(c)
	if err != nil {
		return nil, err
	}
	return render(b)
}

func render(m proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("rendering bootstrap: %w", err)
	}
	// Through JSON to YAML, which sorts the keys: protojson varies its spaces
	// from build to build.
	text, err = yaml.JSONToYAML(text)
	if err != nil {
		return nil, fmt.Errorf("rendering bootstrap: %w", err)
	}
	return text, nil
}

// Build is c as Envoy's own message.
func Build(c Config) (*bootstrapv3.Bootstrap, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("rendering bootstrap: %w", err)
	}
	overload, err := overloadManager(c)
	if err != nil {
		return nil, err
	}
	clusters, err := clusters(c)
	if err != nil {
		return nil, err
	}
	runtime, err := layeredRuntime(c)
	if err != nil {
		return nil, err
	}
	logs, err := applicationLog()
	if err != nil {
		return nil, err
	}
	return &bootstrapv3.Bootstrap{
		ApplicationLogConfig: logs,
		Node:                 &corev3.Node{Id: c.NodeID, Cluster: c.NodeCluster},
		Admin:                &bootstrapv3.Admin{Address: pipe(c.AdminSocket, 0o600)},
		StaticResources:      &bootstrapv3.Bootstrap_StaticResources{Clusters: clusters},
		DynamicResources:     dynamicResources(),
		OverloadManager:      overload,
		LayeredRuntime:       runtime,
		// The statistics of a cluster are made at its first request: thousands
		// of adapters that nobody calls cost next to nothing.
		DeferredStatOptions: &bootstrapv3.Bootstrap_DeferredStatOptions{EnableDeferredCreationStats: true},
		// Histograms are put together, and the process's own values read, for whoever
		// asks; each scrape shows those of the one before. Every five seconds, as
		// without this, it costs a hundredth of a processor with 10,000 adapters.
		StatsFlush: &bootstrapv3.Bootstrap_StatsFlushOnAdmin{StatsFlushOnAdmin: true},
	}, nil
}

// applicationLog has the keys of the other programs' logs.
func applicationLog() (*bootstrapv3.Bootstrap_ApplicationLogConfig, error) {
	format, err := structpb.NewStruct(map[string]any{
		"time": "%Y-%m-%dT%T.%f%z", "level": "%l", "msg": "%j", "part": "envoy", "component": "%n",
	})
	if err != nil {
		return nil, fmt.Errorf("rendering the format of logs: %w", err)
	}
	return &bootstrapv3.Bootstrap_ApplicationLogConfig{LogFormat: &bootstrapv3.Bootstrap_ApplicationLogConfig_LogFormat{
		LogFormat: &bootstrapv3.Bootstrap_ApplicationLogConfig_LogFormat_JsonFormat{JsonFormat: format},
	}}, nil
}

func dynamicResources() *bootstrapv3.Bootstrap_DynamicResources {
	ads := &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
	return &bootstrapv3.Bootstrap_DynamicResources{
		AdsConfig: &corev3.ApiConfigSource{
			ApiType:             corev3.ApiConfigSource_DELTA_GRPC,
			TransportApiVersion: corev3.ApiVersion_V3,
			GrpcServices: []*corev3.GrpcService{{
				TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
					ClusterName: contract.ClusterADS,
					// Envoy's own back-off reaches 30 s, for which a restarted
					// control plane would push nothing.
					RetryPolicy: &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
						BaseInterval: durationpb.New(reconnectBase),
						MaxInterval:  durationpb.New(reconnectMax),
					}},
				}},
			}},
		},
		CdsConfig: ads,
		LdsConfig: ads,
	}
}

// layeredRuntime has no admin layer, so that nothing changes Envoy's behaviour
// at run time but the control plane.
func layeredRuntime(c Config) (*bootstrapv3.LayeredRuntime, error) {
	layer, err := structpb.NewStruct(map[string]any{
		"envoy.resource_limits.listener." + contract.ListenerPublic + ".connection_limit": int64(c.MaxConnections),
		"envoy.resource_limits.listener." + contract.ListenerOps + ".connection_limit":    maxOpsConnections,
		// Off in Envoy: the end of a chunk would be wherever its line ends, which
		// another server may see elsewhere.
		"envoy.reloadable_features.strict_chunk_parsing": true,
	})
	if err != nil {
		return nil, fmt.Errorf("rendering runtime: %w", err)
	}
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
		Name:           "static",
		LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: layer},
	}}}, nil
}
