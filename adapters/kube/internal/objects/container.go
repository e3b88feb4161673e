package objects

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// Container is the name of the server's container.
const Container = "server"

const (
	// announce is how long a pod that is to end is still served, in seconds, so
	// that Envoy knows first.
	announce = 2
	// drainMargin is how much of the grace period is left to a bridge after it has
	// waited for its sessions.
	drainMargin = 5 * time.Second
)

func (in Input) container() corev1.Container {
	c := corev1.Container{
		Name:            Container,
		Image:           in.image(),
		ImagePullPolicy: in.Settings.Images.PullPolicy,
		Env:             in.environment(),
		Ports:           []corev1.ContainerPort{{Name: portName, ContainerPort: Port, Protocol: corev1.ProtocolTCP}},
		Resources:       *in.Settings.Resources,
		VolumeMounts:    in.mounts(),
		SecurityContext: in.security(),
		Lifecycle: &corev1.Lifecycle{
			PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: announce}},
		},
		// The last words of a server that ended are in its pod's status then.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
	}
	if own := in.Object.Spec.Resources; own != nil {
		c.Resources = *own
	}
	if in.isBridge() {
		c.Args = in.arguments()
	}
	in.probes(&c)
	return c
}

// security is what the Pod Security Standard "restricted" asks of containers. A
// bridge needs to write nowhere but to its volumes; of other images that is not
// known.
func (in Input) security() *corev1.SecurityContext {
	no := false
	security := &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no,
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if in.isBridge() {
		yes := true
		security.ReadOnlyRootFilesystem = &yes
	}
	return security
}

// probes are quick until a server is ready: somebody waits for it.
func (in Input) probes(c *corev1.Container) {
	if in.isBridge() {
		c.ReadinessProbe = probe(httpGet("/readyz"), 1, 2, 3)
		c.LivenessProbe = probe(httpGet("/healthz"), 10, 5, 3)
	} else {
		connects := corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(Port)}}
		c.StartupProbe = probe(connects, 1, 2, 300)
		c.ReadinessProbe = probe(connects, 2, 2, 3)
		c.LivenessProbe = probe(connects, 10, 5, 3)
	}
	own := in.Object.Spec.Probes
	if own == nil {
		own = &v1alpha1.Probes{}
	}
	for _, p := range []struct {
		own *corev1.Probe
		at  **corev1.Probe
	}{{own.Startup, &c.StartupProbe}, {own.Readiness, &c.ReadinessProbe}, {own.Liveness, &c.LivenessProbe}} {
		if p.own != nil {
			*p.at = p.own
		}
	}
}

func httpGet(path string) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(Port), Scheme: corev1.URISchemeHTTP}}
}

// probe asks each period seconds, and takes failures in a row for a failure.
func probe(handler corev1.ProbeHandler, period, timeout, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: handler, PeriodSeconds: period, TimeoutSeconds: timeout, SuccessThreshold: 1, FailureThreshold: failures,
	}
}

// arguments are what a bridge is told beside its variables.
func (in Input) arguments() []string {
	drain := in.Settings.TerminationGracePeriod.Duration - announce*time.Second - drainMargin
	arguments := []string{
		"--state-dir=" + stateDir,
		"--sealing-key=" + sealingDir + "/" + SealingKey,
		"--drain-timeout=" + drain.String(),
	}
	if in.Settings.Bridge.PolicyConfigMap != "" {
		arguments = append(arguments, "--policy="+policyDir+"/"+policyKey)
	}
	if in.Settings.Bridge.RootsConfigMap != "" {
		arguments = append(arguments, "--remote-roots="+rootsDir+"/"+rootsKey)
	}
	return append(arguments, in.identityArguments()...)
}

// environment is in order of name. Secrets are named, and their values read by
// the kubelet.
func (in Input) environment() []corev1.EnvVar {
	variables := map[string]string{}
	if in.isBridge() {
		variables = in.bridgeEnvironment()
	}
	secrets := in.Object.Spec.SecretEnvironmentVariables
	for name, value := range in.Adapter.ServerEnvironment() {
		if _, secret := secrets[name]; !secret {
			variables[name] = value
		}
	}
	var list []corev1.EnvVar
	for name, value := range variables {
		list = append(list, corev1.EnvVar{Name: name, Value: literal(value)})
	}
	for name, reference := range secrets {
		list = append(list, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: reference.Name}, Key: reference.Key,
		}}})
	}
	if in.isBridge() {
		list = slices.DeleteFunc(list, func(v corev1.EnvVar) bool { return v.Name == launch.InstanceVariable })
		list = append(list, corev1.EnvVar{Name: launch.InstanceVariable, ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.uid"},
		}})
	}
	slices.SortFunc(list, func(a, b corev1.EnvVar) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// bridgeEnvironment are the operator's variables, and what the bridge is told of
// the adapter.
func (in Input) bridgeEnvironment() map[string]string {
	variables := maps.Clone(in.Settings.Bridge.Environment)
	if variables == nil {
		variables = map[string]string{}
	}
	var telemetry []string
	for name, value := range in.Settings.Bridge.Environment {
		if strings.HasPrefix(name, "OTEL_") {
			delete(variables, name)
			telemetry = append(telemetry, name+"="+value)
		}
	}
	maps.Copy(variables, otlp.Handed(telemetry))
	variables[launch.AdapterVariable] = in.Adapter.Name
	return variables
}

// literal is text that Kubernetes puts into a variable as it is, where $(NAME)
// would mean another's value.
func literal(text string) string { return strings.ReplaceAll(text, "$", "$$") }
