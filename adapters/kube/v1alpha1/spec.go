package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// MCPAdapterSpec is the adapter JSON of the API without its name, and what only
// Kubernetes knows, which the API leaves as it is.
//
// +kubebuilder:validation:XValidation:rule="self.imageName != 'mcp-proxy' || (has(self.environmentVariables) && ('MCP_COMMAND' in self.environmentVariables) != ('MCP_PROXY_URL' in self.environmentVariables))",message="the image mcp-proxy needs one of the environmentVariables MCP_COMMAND, the command to run, and MCP_PROXY_URL, the server to proxy"
// +kubebuilder:validation:XValidation:rule="self.imageName != 'mcp-proxy' || !has(self.environmentVariables) || !('MCP_ARGS' in self.environmentVariables) || 'MCP_COMMAND' in self.environmentVariables",message="MCP_ARGS is only for use with MCP_COMMAND"
// +kubebuilder:validation:XValidation:rule="self.imageName != 'mcp-proxy' || !has(self.environmentVariables) || ['MCP_COMMAND', 'MCP_PROXY_URL'].all(n, !(n in self.environmentVariables) || self.environmentVariables[n] != \"\")",message="MCP_COMMAND and MCP_PROXY_URL must not be empty"
// +kubebuilder:validation:XValidation:rule="self.imageName == 'mcp-proxy' || (!has(self.processModel) && !has(self.sessionRecovery))",message="processModel and sessionRecovery are only for the image mcp-proxy"
// +kubebuilder:validation:XValidation:rule="self.imageName == 'mcp-proxy' || !has(self.upstreamAuth) || self.upstreamAuth.mode != 'static'",message="upstreamAuth static is only for the image mcp-proxy"
// +kubebuilder:validation:XValidation:rule="self.imageName != 'mcp-proxy' || !has(self.upstreamAuth) || self.upstreamAuth.mode == 'none' || !has(self.environmentVariables) || !('MCP_COMMAND' in self.environmentVariables)",message="a server that MCP_COMMAND runs sees no headers, so upstreamAuth cannot reach it"
// +kubebuilder:validation:XValidation:rule="!has(self.inspection) || self.inspection != 'session' || (!has(self.toolRules) && (!has(self.upstreamAuth) || !(self.upstreamAuth.mode in ['identity', 'tokenExchange'])) && (!has(self.limits) || (!has(self.limits.concurrentRequestsPerPrincipal) && !has(self.limits.requestBodyBytes) && !has(self.limits.concurrentStreams) && !has(self.limits.concurrentStreamsPerPrincipal) && !has(self.limits.requestsPerSecond) && !has(self.limits.requestsPerSecondPerPrincipal))))",message="inspection session cannot be had with toolRules, with upstreamAuth identity or tokenExchange, nor with limits other than requestTimeoutSeconds and concurrentRequests"
type MCPAdapterSpec struct {
	// ImageName is mcp-proxy, the image that runs a stdio command or proxies a
	// remote server, or the name of an image of your own, without tag or digest.
	// +required
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^(?:(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(?:\.(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$`
	ImageName string `json:"imageName"`
	// ImageVersion is the image's tag.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`
	ImageVersion string `json:"imageVersion"`
	// EnvironmentVariables are given to the server. For the image mcp-proxy they
	// name what to run: MCP_COMMAND with MCP_ARGS, or MCP_PROXY_URL. Some names are
	// reserved.
	// +optional
	// +kubebuilder:validation:MaxProperties=512
	EnvironmentVariables map[string]VariableValue `json:"environmentVariables,omitempty"`
	// SecretEnvironmentVariables are given to the server like
	// EnvironmentVariables. Each names a key of a Secret in the same namespace.
	// +optional
	// +kubebuilder:validation:MaxProperties=512
	SecretEnvironmentVariables map[string]SecretReference `json:"secretEnvironmentVariables,omitempty"`
	// ReplicaCount is how many pods run. The operator's own limit is lower: 10
	// where nothing else is set.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	ReplicaCount *int32 `json:"replicaCount,omitempty"`
	// Description is free text for people.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Description string `json:"description,omitempty"`
	// UseWorkloadIdentity runs the pods with the cloud identity that the operator
	// configured for it.
	// +optional
	UseWorkloadIdentity bool `json:"useWorkloadIdentity,omitempty"`
	// RequiredRoles are roles of which a principal needs one to read and use the
	// adapter. Empty: only its creator and administrators.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	RequiredRoles []PrintableText `json:"requiredRoles,omitempty"`
	// Labels are names and values of your own, for selecting in lists of the API.
	// They are not labels of Kubernetes.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Labels map[string]LabelValue `json:"labels,omitempty"`
	// ToolRules say which tools may be called, by those who may use the adapter at
	// all.
	// +optional
	ToolRules *ToolRules `json:"toolRules,omitempty"`
	// Affinity is which requests of the modern era, which has no sessions, go to
	// the same replica: none in particular, those of a principal, or those with
	// the same value of a header (header: and its name in lower case). It is not
	// the affinity of pods.
	// +optional
	// +kubebuilder:validation:Pattern=`^(?:none|principal|header:[a-z0-9-]{1,64})$`
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="!self.matches('^header:(?:authorization|cookie|forwarded|host|mcp-session-id|origin|proxy-authorization|referer|true-client-ip|via|x-api-key|x-real-ip|(?:sec-fetch|x-dev|x-envoy|x-forwarded|x-mooring)-.*)$')",message="this header does not reach the place where a replica is chosen"
	Affinity string `json:"affinity,omitempty"`
	// Limits bound the traffic to the adapter. What is absent is the operator's
	// default.
	// +optional
	Limits *TrafficLimits `json:"limits,omitempty"`
	// Inspection says which messages the gateway looks into. always, the default:
	// every one. session: those that begin a session, and all that Envoy cannot be
	// sure of.
	// +optional
	// +kubebuilder:validation:Enum=always;session
	Inspection string `json:"inspection,omitempty"`
	// ProcessModel says who may share a server process of the image mcp-proxy.
	// isolated, the default: no two users do. shared: everybody does.
	// +optional
	// +kubebuilder:validation:Enum=isolated;shared
	ProcessModel string `json:"processModel,omitempty"`
	// SessionRecovery says what becomes of a session of the image mcp-proxy whose
	// server process is lost. resume, the default: it goes on with a new process,
	// in whatever pod. fail: it ends, and clients begin another.
	// +optional
	// +kubebuilder:validation:Enum=resume;fail
	SessionRecovery string `json:"sessionRecovery,omitempty"`
	// UpstreamAuth says what reaches the server of who calls. Absent means nothing.
	// +optional
	UpstreamAuth *UpstreamAuth `json:"upstreamAuth,omitempty"`

	PodSettings `json:",inline"`
}

// PodSettings are what only Kubernetes knows of an adapter: how its pods run.
type PodSettings struct {
	// Resources of the server's container. Absent means the operator's default.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
	// NodeSelector chooses the nodes of the pods.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// Tolerations of the pods.
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// ServiceAccountName is the service account of the pods, whose token they are
	// not given. Absent means the namespace's default.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// ImagePullSecrets are added to those that the operator configured.
	// +optional
	// +listType=atomic
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// Volumes of the pods, for caches and data.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Volumes []Volume `json:"volumes,omitempty"`
	// VolumeMounts of the server's container.
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=32
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`
	// Probes take the place of those that the pods have by themselves.
	// +optional
	Probes *Probes `json:"probes,omitempty"`
}

// Volume is a volume of a pod. Exactly one of its sources is set: others would
// give an adapter what is of the node or of the control plane.
//
// +kubebuilder:validation:XValidation:rule="[has(self.emptyDir), has(self.persistentVolumeClaim), has(self.ephemeral)].filter(x, x).size() == 1",message="exactly one of emptyDir, persistentVolumeClaim and ephemeral is needed"
type Volume struct {
	// Name by which volumeMounts know it.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name"`
	// EmptyDir is a folder that is the pod's own, and ends with it.
	// +optional
	EmptyDir *corev1.EmptyDirVolumeSource `json:"emptyDir,omitempty"`
	// PersistentVolumeClaim is a claim that all replicas share.
	// +optional
	PersistentVolumeClaim *corev1.PersistentVolumeClaimVolumeSource `json:"persistentVolumeClaim,omitempty"`
	// Ephemeral is a claim made for each pod, which ends with it.
	// +optional
	Ephemeral *corev1.EphemeralVolumeSource `json:"ephemeral,omitempty"`
}

// Probes of the server's container. The server's port is 8000.
type Probes struct {
	// Readiness: may new sessions come?
	// +optional
	Readiness *corev1.Probe `json:"readiness,omitempty"`
	// Liveness: must the container be started again?
	// +optional
	Liveness *corev1.Probe `json:"liveness,omitempty"`
	// Startup holds the others back until it first succeeds.
	// +optional
	Startup *corev1.Probe `json:"startup,omitempty"`
}
