package objects

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/settings"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

const (
	// azureLabel makes the webhook of Entra Workload ID give a pod its token.
	azureLabel = "azure.workload.identity/use"
	// tokenLifetime is how long a token of the cluster lasts, in seconds; the
	// kubelet replaces it in time.
	tokenLifetime = 3600
)

// identity is what the adapter's pods are given of the workload's identity, empty
// where they asked for none or there is none.
func (in Input) identity() settings.IdentityProvider {
	if !in.Adapter.UseWorkloadIdentity {
		return ""
	}
	return in.Settings.WorkloadIdentity.Provider
}

// serviceAccount is the adapter's own, else the one for identity. Its token for
// Kubernetes' API is never mounted.
func (in Input) serviceAccount() string {
	name := in.Object.Spec.ServiceAccountName
	if in.identity() != "" {
		name = cmp.Or(name, in.Settings.WorkloadIdentity.ServiceAccountName)
	}
	return name
}

func (in Input) identityLabels() map[string]string {
	if in.identity() != settings.ProviderAzure {
		return nil
	}
	return map[string]string{azureLabel: "true"}
}

// identityArguments make a bridge send its remote server a token, where it is one
// that it can get: those of AWS and Google are for their own services, and for
// the SDKs that servers have.
func (in Input) identityArguments() []string {
	if _, remote := in.Adapter.EnvironmentVariables[launch.ProxyURLVariable]; !remote {
		return nil
	}
	switch in.identity() {
	case settings.ProviderAzure:
		return []string{"--workload-identity"}
	case settings.ProviderToken:
		return []string{"--workload-identity", "--token-file=" + tokenDir + "/" + tokenKey}
	}
	return nil
}

func (in Input) identityVolumes() []given {
	if in.identity() != settings.ProviderToken {
		return nil
	}
	lifetime := int64(tokenLifetime)
	return []given{{name: "identity", path: tokenDir, readOnly: true, source: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{
			DefaultMode: mode(0o440),
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: in.Settings.WorkloadIdentity.Audience, ExpirationSeconds: &lifetime, Path: tokenKey,
			}}},
		},
	}}}
}
