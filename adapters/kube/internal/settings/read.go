package settings

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

const (
	// maxFile bounds the file in bytes: a ConfigMap holds no more.
	maxFile = 1 << 20
	// minGrace leaves a bridge time to answer what is in flight.
	minGrace = 10 * time.Second
	maxGrace = 24 * time.Hour
)

var (
	// imageRule is a name with optional registry, tag and digest; the registry
	// judges the rest.
	imageRule  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._/:-]*(@sha256:[0-9a-f]{64})?$`)
	prefixRule = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._:-]*(/[a-z0-9._-]+)*/$`)
)

// Load reads the file at path: see Read.
func Load(path string) (Settings, error) {
	file, err := os.Open(path)
	if err != nil {
		return Settings{}, fmt.Errorf("reading the settings of adapters' pods: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return Settings{}, fmt.Errorf("reading the settings of adapters' pods: %w", err)
	case len(text) > maxFile:
		return Settings{}, errors.New("reading the settings of adapters' pods: the file is too long")
	}
	return Read(text)
}

// Read is the settings that text (YAML) says, with what it leaves out filled in.
// Members that are unknown or there twice are errors, and so is everything that
// the cluster would refuse of each adapter.
func Read(text []byte) (Settings, error) {
	var s Settings
	if err := yaml.UnmarshalStrict(text, &s); err != nil {
		return Settings{}, fmt.Errorf("reading the settings of adapters' pods: %w", err)
	}
	s.fill()
	if err := s.Validate(); err != nil {
		return Settings{}, fmt.Errorf("settings of adapters' pods: %w", err)
	}
	return s, nil
}

func (s *Settings) fill() {
	if s.Images.PullPolicy == "" {
		s.Images.PullPolicy = corev1.PullIfNotPresent
	}
	if s.TerminationGracePeriod.Duration == 0 {
		s.TerminationGracePeriod.Duration = DefaultGracePeriod
	}
	s.ScaleToZero.fill()
	if s.Resources == nil {
		s.Resources = &corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
		}
	}
}

// Validate names everything that is wrong.
func (s Settings) Validate() error {
	var f faults
	s.images(&f)
	s.pods(&f)
	s.identity(&f)
	if s.NetworkEnabled() {
		f.peer("network.envoy", s.Network.Envoy)
		f.peer("network.controlPlane", s.Network.ControlPlane)
	}
	if grace := s.TerminationGracePeriod.Duration; grace < minGrace || grace > maxGrace {
		f.add("terminationGracePeriod: it must be from %s to %s", minGrace, maxGrace)
	}
	s.ScaleToZero.validate(&f)
	return errors.Join(f...)
}

// faults are what is wrong.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (f *faults) name(member, name string) {
	if name == "" {
		return
	}
	if messages := validation.IsDNS1123Subdomain(name); len(messages) > 0 {
		f.add("%s: %q is no name of an object", member, name)
	}
}

func (f *faults) labels(member string, labels map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if len(validation.IsQualifiedName(name)) > 0 || len(validation.IsValidLabelValue(labels[name])) > 0 {
			f.add("%s: %s=%s is no label", member, name, labels[name])
		}
		if reservedLabel(name) {
			f.add("%s: %s is set by Mooring", member, name)
		}
	}
}

func (f *faults) peer(member string, p Peer) {
	if len(validation.IsDNS1123Label(p.Namespace)) > 0 {
		f.add("%s.namespace: %q is no namespace", member, p.Namespace)
	}
	if len(p.PodLabels) == 0 {
		f.add("%s.podLabels: it must say which pods", member)
	}
	for name, value := range p.PodLabels {
		if len(validation.IsQualifiedName(name)) > 0 || len(validation.IsValidLabelValue(value)) > 0 {
			f.add("%s.podLabels: %s=%s is no label", member, name, value)
		}
	}
}

// reservedLabel reports whether Mooring sets the label on pods.
func reservedLabel(name string) bool {
	return strings.HasPrefix(name, "mooring.dev/") || name == "app.kubernetes.io/managed-by" ||
		strings.HasPrefix(name, "azure.workload.identity/")
}

func (s Settings) images(f *faults) {
	if !imageRule.MatchString(s.Images.Bridge) {
		f.add("images.bridge: %q is no image", s.Images.Bridge)
	}
	if prefix := s.Images.RegistryPrefix; prefix != "" && !prefixRule.MatchString(prefix) {
		f.add("images.registryPrefix: %q is none; it ends with a slash", prefix)
	}
	if s.Resources == nil {
		f.add("resources: they are not filled in")
	}
	switch s.Images.PullPolicy {
	case corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		f.add("images.pullPolicy: it must be Always, IfNotPresent or Never")
	}
	for _, secret := range s.Images.PullSecrets {
		f.name("images.pullSecrets", secret.Name)
		if secret.Name == "" {
			f.add("images.pullSecrets: one has no name")
		}
	}
}

func (s Settings) pods(f *faults) {
	f.labels("podDefaults.labels", s.PodDefaults.Labels)
	f.name("podDefaults.priorityClassName", s.PodDefaults.PriorityClassName)
	f.name("podDefaults.runtimeClassName", s.PodDefaults.RuntimeClassName)
	f.name("bridge.policyConfigMap", s.Bridge.PolicyConfigMap)
	f.name("bridge.rootsConfigMap", s.Bridge.RootsConfigMap)
	for _, name := range slices.Sorted(maps.Keys(s.Bridge.Environment)) {
		switch {
		case slices.Contains(launch.BridgeLimits(), name), name == "MOORING_LOG_LEVEL":
		case launch.Reserved(name), launch.ForBridge(name):
			f.add("bridge.environment: %s is set by Mooring", name)
		}
		for _, fault := range launch.CheckEnvironment(map[string]string{name: s.Bridge.Environment[name]}) {
			if !fault.NeedsAdmin && !launch.Reserved(name) {
				f.add("bridge.environment: %s: %s", name, fault.Message)
			}
		}
	}
}

func (s Settings) identity(f *faults) {
	w := s.WorkloadIdentity
	f.name("workloadIdentity.serviceAccountName", w.ServiceAccountName)
	switch w.Provider {
	case "":
		if w.ServiceAccountName != "" || w.Audience != "" {
			f.add("workloadIdentity.provider: it must be azure, aws, gcp or token")
		}
		return
	case ProviderAzure, ProviderAWS, ProviderGCP, ProviderToken:
	default:
		f.add("workloadIdentity.provider: it must be azure, aws, gcp or token")
	}
	if w.ServiceAccountName == "" {
		f.add("workloadIdentity.serviceAccountName: it must name the ServiceAccount of adapters that ask for identity")
	}
	if (w.Provider == ProviderToken) != (w.Audience != "") {
		f.add("workloadIdentity.audience: it must say whom the token is for, with the provider token and no other")
	}
}
