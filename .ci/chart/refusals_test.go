package chart_test

import (
	"strings"
	"testing"
)

// TestRefusals: what cannot work, or is misspelt, is refused before anything is
// installed, and the message says where it is.
func TestRefusals(t *testing.T) {
	for values, want := range map[string]string{
		"envoy.replica=3":                             "replica",
		"envoy.replicas=0":                            "/envoy/replicas",
		"envoy.service.port=70000":                    "/envoy/service/port",
		"envoy.service.typ=NodePort":                  "typ",
		"images.xds.digest=sha256:abc":                "/images/xds/digest",
		"images.pullPolicy=Sometimes":                 "/images/pullPolicy",
		"publicURL=mcp.example.com":                   "/publicURL",
		"publicURL=https://mcp.example.com/path":      "/publicURL",
		"tls.mode=none":                               "/tls/mode",
		"tls.mode=secrets":                            "/tls/secrets/",
		"ingress.enabled=true":                        "/publicURL",
		"limits.streamDuration=1 hour":                "/limits/streamDuration",
		"limits.requestsPerSecond=-1":                 "/limits/requestsPerSecond",
		"adapters.registryPrefix=registry.example":    "/adapters/registryPrefix",
		"adapters.namespace=Tools":                    "/adapters/namespace",
		"adapters.egress=nowhere":                     "/adapters/egress",
		"adapters.workloadIdentity.provider=vault":    "/adapters/workloadIdentity/provider",
		"adapters.workloadIdentity.provider=azure":    "serviceAccountName is required",
		"auth.adminKey.validDays=1000":                "/auth/adminKey/validDays",
		"auth=null":                                   "auth",
		"xds.logLevel=trace":                          "/xds/logLevel",
		"monitoring.monitors=yes":                     "/monitoring/monitors",
		"networkPolicy.metricsFrom.podSelector=all":   "/networkPolicy/metricsFrom",
		"envoy.resources.limit.memory=1Gi":            "limit",
		"fullnameOverride=" + strings.Repeat("a", 41): "/fullnameOverride",
	} {
		if _, err := render("--set", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error with %s, got %v", values, want, err)
		}
	}
}
