package objects

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Where a bridge finds what it is given, and what it may write to.
const (
	homeDir    = "/home/mcp"
	tmpDir     = "/tmp"
	stateDir   = "/var/lib/mooring"
	sealingDir = "/var/run/mooring/sealing"
	policyDir  = "/etc/mooring/policy"
	policyKey  = "policy.yaml"
	rootsDir   = "/etc/mooring/roots"
	rootsKey   = "ca.crt"
	tokenDir   = "/var/run/mooring/identity"
	tokenKey   = "token"

	// ownVolume begins the names of volumes of the adapter's own, so that they
	// are never those of Mooring's.
	ownVolume = "own-"
)

// given is a volume that Mooring mounts.
type given struct {
	name, path string
	readOnly   bool
	source     corev1.VolumeSource
}

func (in Input) given() []given {
	var list []given
	if in.isBridge() {
		list = []given{
			{name: "home", path: homeDir, source: emptyDir()},
			{name: "tmp", path: tmpDir, source: emptyDir()},
			{name: "state", path: stateDir, source: emptyDir()},
			{name: "sealing", path: sealingDir, readOnly: true, source: corev1.VolumeSource{
				Secret: &corev1.SecretVolumeSource{SecretName: SealingName(in.Adapter.Name), DefaultMode: mode(0o440)},
			}},
		}
		if name := in.Settings.Bridge.PolicyConfigMap; name != "" {
			list = append(list, given{name: "policy", path: policyDir, readOnly: true, source: configMap(name, policyKey)})
		}
		if name := in.Settings.Bridge.RootsConfigMap; name != "" {
			list = append(list, given{name: "roots", path: rootsDir, readOnly: true, source: configMap(name, rootsKey)})
		}
	}
	return append(list, in.identityVolumes()...)
}

// volumes are Mooring's, without those whose place the adapter's own take, and
// its own.
func (in Input) volumes() []corev1.Volume {
	var list []corev1.Volume
	for _, g := range in.given() {
		if !in.replaced(g) {
			list = append(list, corev1.Volume{Name: g.name, VolumeSource: g.source})
		}
	}
	for _, own := range in.Object.Spec.Volumes {
		list = append(list, corev1.Volume{Name: ownVolume + own.Name, VolumeSource: corev1.VolumeSource{
			EmptyDir: own.EmptyDir, PersistentVolumeClaim: own.PersistentVolumeClaim, Ephemeral: own.Ephemeral,
		}})
	}
	return list
}

func (in Input) mounts() []corev1.VolumeMount {
	var list []corev1.VolumeMount
	for _, g := range in.given() {
		if !in.replaced(g) {
			list = append(list, corev1.VolumeMount{Name: g.name, MountPath: g.path, ReadOnly: g.readOnly})
		}
	}
	for _, own := range in.Object.Spec.VolumeMounts {
		own.Name = ownVolume + own.Name
		list = append(list, own)
	}
	return list
}

// replaced reports whether a volume of the adapter's own is where g would be.
func (in Input) replaced(g given) bool {
	return slices.ContainsFunc(in.Object.Spec.VolumeMounts, func(own corev1.VolumeMount) bool { return own.MountPath == g.path })
}

func emptyDir() corev1.VolumeSource {
	return corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
}

func configMap(name, key string) corev1.VolumeSource {
	return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: name},
		Items:                []corev1.KeyToPath{{Key: key, Path: key}},
		DefaultMode:          mode(0o444),
	}}
}

func mode(bits int32) *int32 { return &bits }
