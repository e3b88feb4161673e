// The modules of other projects that have the definitions of their custom
// resources: tests read those as files, and build nothing of them.
module github.com/mooring-mcp/mooring/schemas

go 1.26.7

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/envoyproxy/gateway v1.9.1
	github.com/prometheus-operator/prometheus-operator v0.85.0
	istio.io/api v1.31.1
	sigs.k8s.io/gateway-api v1.6.3
)
