package snapshot

import (
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestProgrammedByPeers: what counts are the Envoys of all control planes, wherever
// they are connected.
func TestProgrammedByPeers(t *testing.T) {
	b, peer := newBench(t), newBench(t)
	a := b.add("one")
	peer.store, peer.deployer = b.store, b.deployer
	peer.config.Store, peer.config.Deployer = b.store, b.deployer
	tell := func() { b.Reported("peer", peer.Report()) }
	b.makeRound()
	peer.makeRound()
	tell()
	b.want(a, "Unknown", reasonNoEnvoy)

	peer.Opened(1)
	tell()
	b.want(a, "Unknown", reasonPending)
	peer.ackAll(1)
	tell()
	b.want(a, "True", reasonAccepted)

	// An Envoy of its own counts too.
	b.Opened(1)
	b.want(a, "Unknown", reasonPending)
	b.ackAll(1)
	b.want(a, "True", reasonAccepted)

	// The peer has not heard of a change that is accepted here.
	b.deployer.SetInstances(a.ID, adapters.Instance{ID: "other", Address: "/other", State: adapters.InstanceReady})
	b.makeRound()
	b.ackAll(1)
	b.want(a, "Unknown", reasonPending)
	peer.makeRound()
	tell()
	b.want(a, "Unknown", reasonPending)
	peer.ackAll(1)
	tell()
	b.want(a, "True", reasonAccepted)

	// An Envoy of the peer refuses it.
	peer.Nacked(1, peer.send(1, "type.googleapis.com/envoy.config.cluster.v3.Cluster"), "adapter/one: no good")
	tell()
	b.want(a, "False", reasonRefused)

	b.Lost("peer")
	b.want(a, "True", reasonAccepted)
}
