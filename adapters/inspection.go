package adapters

// Inspection says which messages the gateway looks into, and so who serves the
// others: the external processor judges what is looked into, and Envoy lets the
// rest pass by itself, once it has verified who sends it.
type Inspection string

// The inspections.
const (
	// InspectionAlways looks into every message.
	InspectionAlways Inspection = "always"
	// InspectionSession looks into the messages that begin a session, and into
	// all that Envoy cannot be sure of. The other messages of a session are not
	// read: it cannot be had together with what needs to read them.
	InspectionSession Inspection = "session"
)

const onlyInspected = "It needs every message to be inspected: it cannot be had with inspection session."

// inspection says what is wrong with s.Inspection: with session, each setting
// that only the external processor can hold to.
func (f *faultList) inspection(s Spec) {
	switch s.Inspection {
	case "", InspectionAlways:
		return
	case InspectionSession:
	default:
		f.add("/inspection", "It must be always or session.")
		return
	}
	if s.ToolRules.normalize() != nil {
		f.add("/toolRules", onlyInspected)
	}
	if s.UpstreamAuth.Is(UpstreamIdentity) || s.UpstreamAuth.Is(UpstreamExchange) {
		f.add("/upstreamAuth/mode", onlyInspected)
	}
	if s.Limits == nil {
		return
	}
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"concurrentRequestsPerPrincipal", s.Limits.ConcurrentRequestsPerPrincipal},
		{"requestBodyBytes", s.Limits.RequestBodyBytes},
		{"concurrentStreams", s.Limits.ConcurrentStreams},
		{"concurrentStreamsPerPrincipal", s.Limits.ConcurrentStreamsPerPrincipal},
		{"requestsPerSecond", s.Limits.RequestsPerSecond},
		{"requestsPerSecondPerPrincipal", s.Limits.RequestsPerSecondPerPrincipal},
	} {
		if limit.value != 0 {
			f.add(Pointer("limits", limit.name), onlyInspected)
		}
	}
}
