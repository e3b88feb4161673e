package objects

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// serverUser runs bridges, and owns what all pods write.
	serverUser = 65532
	// history is how many old templates Kubernetes keeps of an adapter: none is
	// gone back to, since the adapter's own record is the truth.
	history = 1
	// lostNode is how long pods stay bound to a node that is not heard of, in
	// seconds.
	lostNode = 30
)

// statefulSet has the pods. They start at the same time, and a change replaces
// one after the other.
func (in Input) statefulSet() *appsv1.StatefulSet {
	replicas, kept, partition := int32(in.Adapter.ReplicaCount), int32(history), int32(0)
	if in.Asleep {
		replicas = 0
	}
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: in.meta(Name(in.Adapter.Name)),
		Spec: appsv1.StatefulSetSpec{
			Replicas:             &replicas,
			RevisionHistoryLimit: &kept,
			ServiceName:          Name(in.Adapter.Name),
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			Selector:             &metav1.LabelSelector{MatchLabels: selector(in.Adapter)},
			UpdateStrategy: appsv1.StatefulSetUpdateStrategy{
				Type:          appsv1.RollingUpdateStatefulSetStrategyType,
				RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &partition},
			},
			Template: in.podTemplate(),
		},
	}
}

// podTemplate has a digest of itself among its labels, by which pods of older
// ones are known.
func (in Input) podTemplate() corev1.PodTemplateSpec {
	defaults := in.Settings.PodDefaults
	labels := maps.Clone(defaults.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, Labels(in.Adapter))
	labels[LabelServer] = ServerImage
	if in.isBridge() {
		labels[LabelServer] = ServerBridge
	}
	labels[LabelTemplate] = in.Adapter.TemplateHash()
	maps.Copy(labels, in.identityLabels())
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: maps.Clone(defaults.Annotations)},
		Spec:       in.podSpec(),
	}
	labels[LabelRevision] = digestOf(template)
	return template
}

func (in Input) podSpec() corev1.PodSpec {
	no, grace := false, in.Settings.Grace()
	defaults, own := in.Settings.PodDefaults, in.Object.Spec.PodSettings
	spec := corev1.PodSpec{
		Containers:                    []corev1.Container{in.container()},
		Volumes:                       in.volumes(),
		ServiceAccountName:            in.serviceAccount(),
		AutomountServiceAccountToken:  &no,
		EnableServiceLinks:            &no,
		TerminationGracePeriodSeconds: &grace,
		SecurityContext:               in.podSecurity(),
		ImagePullSecrets:              slices.Concat(in.Settings.Images.PullSecrets, own.ImagePullSecrets),
		NodeSelector:                  merged(defaults.NodeSelector, own.NodeSelector),
		Tolerations:                   withLostNodes(slices.Concat(defaults.Tolerations, own.Tolerations)),
		TopologySpreadConstraints:     in.spread(),
		PriorityClassName:             defaults.PriorityClassName,
	}
	if name := defaults.RuntimeClassName; name != "" {
		spec.RuntimeClassName = &name
	}
	return spec
}

// podSecurity is what the Pod Security Standard "restricted" asks of pods.
func (in Input) podSecurity() *corev1.PodSecurityContext {
	yes, user, change := true, int64(serverUser), corev1.FSGroupChangeOnRootMismatch
	security := &corev1.PodSecurityContext{
		RunAsNonRoot:        &yes,
		SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		FSGroup:             &user,
		FSGroupChangePolicy: &change,
	}
	if in.isBridge() {
		security.RunAsUser, security.RunAsGroup = &user, &user
	}
	return security
}

// spread keeps the replicas of an adapter on different nodes where there are
// enough.
func (in Input) spread() []corev1.TopologySpreadConstraint {
	own := &metav1.LabelSelector{MatchLabels: selector(in.Adapter)}
	constraints := in.Settings.PodDefaults.TopologySpreadConstraints
	if len(constraints) == 0 {
		return []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: own,
		}}
	}
	out := slices.Clone(constraints)
	for i := range out {
		out[i].LabelSelector = cmp.Or(out[i].LabelSelector, own)
	}
	return out
}

// withLostNodes makes pods leave nodes that are not heard of sooner than the
// five minutes that are usual, unless somebody said how long.
func withLostNodes(list []corev1.Toleration) []corev1.Toleration {
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		said := slices.ContainsFunc(list, func(t corev1.Toleration) bool {
			return (t.Key == key || t.Key == "") && (t.Effect == corev1.TaintEffectNoExecute || t.Effect == "")
		})
		if said {
			continue
		}
		seconds := int64(lostNode)
		list = append(list, corev1.Toleration{
			Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds,
		})
	}
	return list
}

// merged is both, of which the second wins. Nil where there is nothing.
func merged(first, second map[string]string) map[string]string {
	if len(first)+len(second) == 0 {
		return nil
	}
	all := maps.Clone(first)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, second)
	return all
}

// image is the image of the server's container.
func (in Input) image() string {
	images := in.Settings.Images
	if !in.isBridge() {
		return images.RegistryPrefix + in.Adapter.Image()
	}
	name := images.Bridge[strings.LastIndexByte(images.Bridge, '/')+1:]
	if strings.ContainsAny(name, ":@") {
		return images.Bridge
	}
	return images.Bridge + ":" + in.Adapter.ImageVersion
}
