package adapters_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestInspectionSessionNeedsNothingRead: every setting that it cannot be had
// with is named, and no other.
func TestInspectionSessionNeedsNothingRead(t *testing.T) {
	limits := &adapters.TrafficLimits{
		RequestTimeoutSeconds: 1, ConcurrentRequests: 1,
		RequestBodyBytes: 1, ConcurrentStreams: 1, ConcurrentStreamsPerPrincipal: 1,
		ConcurrentRequestsPerPrincipal: 1, RequestsPerSecond: 1, RequestsPerSecondPerPrincipal: 1,
	}
	for _, tt := range []struct {
		name   string
		change func(*adapters.Spec)
		want   []string
	}{
		{"alone", func(*adapters.Spec) {}, nil},
		{"rules that say nothing", func(s *adapters.Spec) { s.ToolRules, s.Limits = &adapters.ToolRules{}, &adapters.TrafficLimits{} }, nil},
		{"limits of Envoy", func(s *adapters.Spec) {
			s.Limits = &adapters.TrafficLimits{RequestTimeoutSeconds: 1, ConcurrentRequests: 1}
		}, nil},
		{"all of it", func(s *adapters.Spec) { s.ToolRules, s.Limits = &adapters.ToolRules{Deny: []string{"x"}}, limits }, []string{
			"/toolRules", "/limits/concurrentRequestsPerPrincipal", "/limits/requestBodyBytes", "/limits/concurrentStreams",
			"/limits/concurrentStreamsPerPrincipal", "/limits/requestsPerSecond", "/limits/requestsPerSecondPerPrincipal",
		}},
		{"another word", func(s *adapters.Spec) { s.Inspection = "never" }, []string{"/inspection"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := valid()
			spec.Inspection = adapters.InspectionSession
			tt.change(&spec)
			var pointers []string
			for _, fault := range spec.Validate(adapters.Limits{}) {
				pointers = append(pointers, fault.Pointer)
			}
			if diff := cmp.Diff(tt.want, pointers); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			spec.Inspection = adapters.InspectionAlways
			if faults := spec.Validate(adapters.Limits{}); len(faults) > 0 {
				t.Errorf("with inspection always: %v", faults)
			}
		})
	}
}

// TestNeededRole: whoever may read needs a role that can be taken away, but the
// creator.
func TestNeededRole(t *testing.T) {
	access := adapters.Access{CreatedBy: "ann", RequiredRoles: []string{"a", "b"}}
	for _, tt := range []struct {
		subject string
		roles   []string
		want    string
	}{
		{"ann", []string{"b", adapters.AdminRole}, ""},
		{"bob", []string{"x", "b"}, "b"},
		{"bob", []string{adapters.AdminRole}, adapters.AdminRole},
		{"bob", []string{adapters.AdminRole, "a"}, "a"},
		{"bob", []string{"x"}, ""},
		{"", []string{"a"}, ""},
	} {
		if got := access.NeededRole(adapters.Principal{Subject: tt.subject, Roles: tt.roles}); got != tt.want {
			t.Errorf("%s with %v needs %q, want %q", tt.subject, tt.roles, got, tt.want)
		}
	}
}
