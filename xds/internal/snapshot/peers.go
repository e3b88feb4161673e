package snapshot

import (
	"context"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/mooring-mcp/mooring/adapters"
)

// PeerID names another control plane for as long as it is followed.
type PeerID string

// Report is what a control plane knows of the Envoys that are connected to it: each
// is connected to one of several.
type Report struct {
	// Envoys is how many there are.
	Envoys int `json:"envoys"`
	// Adapters are what they say of each adapter. Without Envoys there are none.
	Adapters map[adapters.UID]Verdict `json:"adapters,omitempty"`
}

// Verdict is what Envoys say of an adapter's configuration.
type Verdict struct {
	// Print stands for the configuration: equal ones have the same.
	Print string `json:"print"`
	// Accepted says that all of them work with it.
	Accepted bool `json:"accepted,omitempty"`
	// Refused has the words of one that refused it, or is empty.
	Refused string `json:"refused,omitempty"`
}

// Report is what is known here.
func (l *Loop) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	report := Report{Envoys: len(l.state.streams)}
	if report.Envoys == 0 {
		return report
	}
	report.Adapters = make(map[adapters.UID]Verdict, len(l.state.records))
	for id, rec := range l.state.records {
		v := Verdict{Print: rec.print, Accepted: rec.published && l.state.acceptedHere(rec)}
		if rec.refusal != nil {
			v.Refused = rec.refusal.message
		}
		report.Adapters[id] = v
	}
	return report
}

// Envoys is how many are connected, here or to a peer.
func (l *Loop) Envoys() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.envoys()
}

// Reported takes note of what a peer knows.
func (l *Loop) Reported(id PeerID, r Report) { l.change(func(s *state) { s.peers[id] = r }) }

// Lost forgets a peer. Its Envoys connect to another.
func (l *Loop) Lost(id PeerID) { l.change(func(s *state) { delete(s.peers, id) }) }

// Changes receives after Report may have changed, as adapters.Store.Changes does.
func (l *Loop) Changes(ctx context.Context) <-chan struct{} { return l.changes.Changes(ctx) }

// envoys is how many are connected, here or to a peer.
func (s *state) envoys() int {
	n := len(s.streams)
	for _, peer := range s.peers {
		n += peer.Envoys
	}
	return n
}

// acceptedHere reports whether every Envoy that is connected here works with the
// adapter's configuration.
func (s *state) acceptedHere(rec *record) bool {
	return s.accepted(resourcev3.ClusterType, rec) && s.accepted(resourcev3.EndpointType, rec) && s.acceptedRoutes(rec.routesSince)
}

// acceptedByPeers reports whether every Envoy of every peer does, and otherwise
// what one of them said against it, or nothing.
func (s *state) acceptedByPeers(id adapters.UID, rec *record) (accepted bool, refused string) {
	accepted = true
	for _, peer := range s.peers {
		if peer.Envoys == 0 {
			continue
		}
		said := peer.Adapters[id]
		if said.Print != rec.print || !said.Accepted {
			accepted = false
		}
		if said.Print == rec.print && said.Refused != "" {
			refused = said.Refused
		}
	}
	return accepted, refused
}
