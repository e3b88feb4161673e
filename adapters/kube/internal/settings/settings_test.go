package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/settings"
)

const smallest = `
images: {bridge: "registry.example/mooring/mcp-proxy:1.0.0"}
network:
  envoy: {namespace: mooring, podLabels: {app: envoy}}
  controlPlane: {namespace: mooring, podLabels: {app: xds}}
`

func TestDefaultsAreFilledIn(t *testing.T) {
	s, err := settings.Read([]byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	if s.Images.PullPolicy != "IfNotPresent" || s.Grace() != 60 || !s.NetworkEnabled() || s.Network.Egress != nil {
		t.Errorf("got %+v", s)
	}
	if memory := s.Resources.Limits.Memory().String(); memory != "4Gi" {
		t.Errorf("memory is bounded by %s", memory)
	}
}

func TestWholeFileIsRead(t *testing.T) {
	s, err := settings.Read([]byte(`
images: {bridge: b, registryPrefix: registry.example:5000/mcp/, pullPolicy: Always, pullSecrets: [{name: pull}]}
resources: {limits: {memory: 2Gi}}
podDefaults:
  labels: {team: tools}
  annotations: {example.com/a: b}
  nodeSelector: {pool: mcp}
  tolerations: [{key: mcp, operator: Exists}]
  priorityClassName: low
  runtimeClassName: gvisor
bridge:
  environment: {HTTPS_PROXY: "http://proxy.example:3128", npm_config_registry: "https://npm.example/", MOORING_MAX_SESSIONS: "20"}
  policyConfigMap: rules
  rootsConfigMap: roots
workloadIdentity: {provider: token, serviceAccountName: tools, audience: api}
network:
  enabled: false
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  egress: []
terminationGracePeriod: 2m30s
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.NetworkEnabled() || s.Network.Egress == nil || s.TerminationGracePeriod.Duration != 150*time.Second {
		t.Errorf("got %+v", s)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":      {"", "images.bridge"},
		"unknown":    {smallest + "colour: red\n", "unknown field"},
		"twice":      {smallest + "network: {}\n", "already set"},
		"image":      {"images: {bridge: 'a b'}", `"a b" is no image`},
		"prefix":     {"images: {bridge: b, registryPrefix: registry.example}", "ends with a slash"},
		"policy":     {"images: {bridge: b, pullPolicy: Often}", "images.pullPolicy"},
		"secret":     {"images: {bridge: b, pullSecrets: [{name: A}]}", "images.pullSecrets"},
		"envoy":      {"images: {bridge: b}", "network.envoy.podLabels"},
		"control":    {"images: {bridge: b}", "network.controlPlane.namespace"},
		"label":      {"images: {bridge: b}\npodDefaults: {labels: {mooring.dev/adapter: x}}", "set by Mooring"},
		"no label":   {"images: {bridge: b}\npodDefaults: {labels: {a b: x}}", "is no label"},
		"reserved":   {"images: {bridge: b}\nbridge: {environment: {MOORING_ADAPTER: x}}", "MOORING_ADAPTER is set by Mooring"},
		"command":    {"images: {bridge: b}\nbridge: {environment: {MCP_COMMAND: x}}", "MCP_COMMAND is set by Mooring"},
		"variable":   {"images: {bridge: b}\nbridge: {environment: {A-B: x}}", "A-B"},
		"provider":   {"images: {bridge: b}\nworkloadIdentity: {provider: x}", "azure, aws, gcp or token"},
		"account":    {"images: {bridge: b}\nworkloadIdentity: {provider: aws}", "serviceAccountName"},
		"audience":   {"images: {bridge: b}\nworkloadIdentity: {provider: token, serviceAccountName: a}", "audience"},
		"grace":      {smallest + "terminationGracePeriod: 1s\n", "terminationGracePeriod"},
		"no provide": {"images: {bridge: b}\nworkloadIdentity: {serviceAccountName: a}", "workloadIdentity.provider"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings.Read([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
