package bootstrap

import (
	"fmt"
	"time"

	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	downstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	fixedheapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	connectionMonitor = "envoy.resource_monitors.global_downstream_max_connections"
	heapMonitor       = "envoy.resource_monitors.fixed_heap"
	overloadRefresh   = 250 * time.Millisecond
)

// The shares of MaxHeapBytes are those of Envoy's guide for edge proxies.
const (
	shrinkHeapAt     = 0.95
	refuseRequestsAt = 0.98
)

func overloadManager(c Config) (*overloadv3.OverloadManager, error) {
	connections, err := monitor(connectionMonitor, &downstreamv3.DownstreamConnectionsConfig{
		MaxActiveDownstreamConnections: int64(c.MaxConnections),
	})
	if err != nil {
		return nil, err
	}
	m := &overloadv3.OverloadManager{
		RefreshInterval:  durationpb.New(overloadRefresh),
		ResourceMonitors: []*overloadv3.ResourceMonitor{connections},
	}
	if c.MaxHeapBytes == 0 {
		return m, nil
	}
	heap, err := monitor(heapMonitor, &fixedheapv3.FixedHeapConfig{MaxHeapSizeBytes: c.MaxHeapBytes})
	if err != nil {
		return nil, err
	}
	m.ResourceMonitors = append(m.ResourceMonitors, heap)
	m.Actions = []*overloadv3.OverloadAction{
		heapAction("envoy.overload_actions.shrink_heap", shrinkHeapAt),
		heapAction("envoy.overload_actions.stop_accepting_requests", refuseRequestsAt),
	}
	return m, nil
}

func monitor(name string, config proto.Message) (*overloadv3.ResourceMonitor, error) {
	value, err := anypb.New(config)
	if err != nil {
		return nil, fmt.Errorf("rendering resource monitor %s: %w", name, err)
	}
	return &overloadv3.ResourceMonitor{
		Name:       name,
		ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: value},
	}, nil
}

func heapAction(name string, at float64) *overloadv3.OverloadAction {
	return &overloadv3.OverloadAction{
		Name: name,
		Triggers: []*overloadv3.Trigger{{
			Name:         heapMonitor,
			TriggerOneof: &overloadv3.Trigger_Threshold{Threshold: &overloadv3.ThresholdTrigger{Value: at}},
		}},
	}
}
