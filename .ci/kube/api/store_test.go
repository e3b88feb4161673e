package api

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/kube"
)

// logs are those of the code under test: Kubernetes' libraries keep to the first
// that they are given, so it must not be that of one test.
var logs = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))

// connect is a running connection to a namespace, which ends with the test.
func connect(t *testing.T, namespace string, change ...func(*kube.Config)) *kube.Cluster {
	t.Helper()
	cluster := prepare(t, namespace, change...)
	runCluster(t, cluster)
	return cluster
}

// prepare is a connection that does nothing until runCluster.
func prepare(t *testing.T, namespace string, change ...func(*kube.Config)) *kube.Cluster {
	t.Helper()
	cfg := kube.Config{REST: server.config, Namespace: namespace, Identity: "test", PublicURL: "https://gateway.example", Settings: settingsOf(t), Log: logs}
	for _, apply := range change {
		apply(&cfg)
	}
	cluster, err := kube.Connect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// runCluster runs a connection until the test ends.
func runCluster(t *testing.T, cluster *kube.Cluster) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cluster.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestStore(t *testing.T) {
	adapterstest.TestStore(t, func(t *testing.T) adapters.Store { return connect(t, newNamespace(t)).Store() })
}
