package translate_test

import (
	"fmt"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// TestToolNames: they reach the external processor with the policy, few enough,
// and the policy's version is the same without them.
func TestToolNames(t *testing.T) {
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("tool%03d", i)
	}
	long := []string{"short", strings.Repeat("x", 4096)}
	example := adapterstest.Example("a")
	version := policyWith(t, example, nil).Version
	for name, test := range map[string]struct {
		tools []string
		want  int
	}{"none": {[]string{}, 0}, "some": {[]string{"echo", "who"}, 2}, "many": {many, 200}, "long": {long, 1}} {
		t.Run(name, func(t *testing.T) {
			p := policyWith(t, example, test.tools)
			if p.Version != version {
				t.Errorf("version %s, want %s", p.Version, version)
			}
			if p.ToolNames == nil || len(p.ToolNames) != test.want {
				t.Errorf("%d names: %q", len(p.ToolNames), p.ToolNames)
			}
		})
	}
}

// policyWith is the policy on the routes of the adapter that has these tools.
func policyWith(t *testing.T, example adapters.Adapter, tools []string) contract.Policy {
	t.Helper()
	translator, err := translate.New(translate.Settings{Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:9090"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := translator.Adapter(translate.Entry{Adapter: example, Tools: tools})
	if err != nil {
		t.Fatal(err)
	}
	list, override := new(routev3.RouteList), new(extprocv3.ExtProcPerRoute)
	unpack(t, a.Routes, list)
	unpack(t, list.GetRoutes()[0].GetTypedPerFilterConfig()[contract.FilterExtProc], override)
	for _, header := range override.GetOverrides().GetGrpcInitialMetadata() {
		if header.GetKey() == contract.PolicyMetadataKey {
			p, err := contract.DecodePolicy(header.GetValue())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatal("no policy")
	return contract.Policy{}
}
