package observability

import (
	"path/filepath"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	statusv1 "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// refuse is an Envoy that refuses the clusters it is given.
func refuse(t *testing.T, m *harness.Mooring) {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+filepath.Join(m.State, "run", "ads.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request := &discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: "refusing"}, TypeUrl: resourcev3.ClusterType}
	if err := stream.Send(request); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	refusal := &discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: resourcev3.ClusterType, ResponseNonce: answer.GetNonce(), ErrorDetail: &statusv1.Status{Message: "no such thing"},
	}
	if err := stream.Send(refusal); err != nil {
		t.Fatal(err)
	}
}
