package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MCPAdapter is an MCP server behind the gateway. Its name is the adapter's.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=mcpadapters,singular=mcpadapter,shortName=mcpa,scope=Namespaced
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicaCount,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.status.image`
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicaCount`
// +kubebuilder:printcolumn:name="Available",type=integer,JSONPath=`.status.availableReplicas`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="URL",type=string,priority=1,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$')",message="metadata.name must be 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends"
type MCPAdapter struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is asked for.
	// +required
	Spec MCPAdapterSpec `json:"spec"`
	// Status is what was made of it. Only the control plane writes it.
	// +optional
	Status MCPAdapterStatus `json:"status,omitempty"`
}

// MCPAdapterList is a list of adapters.
//
// +kubebuilder:object:root=true
type MCPAdapterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MCPAdapter `json:"items"`
}

// MCPAdapterStatus is what was made of an adapter.
type MCPAdapterStatus struct {
	// ObservedGeneration is the metadata.generation that the rest is of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions are Ready (at least one replica serves), Programmed (every Envoy has
	// accepted the adapter as it is) and, where workload identity is asked for,
	// WorkloadIdentity.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Replicas is how many pods there are.
	// +optional
	Replicas int32 `json:"replicas"`
	// ReadyReplicas is how many of them serve.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// UpdatedReplicas is how many of them were made from the current spec.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas"`
	// AvailableReplicas is how many of them are given new sessions.
	// +optional
	AvailableReplicas int32 `json:"availableReplicas"`
	// ReplicaStatus is one line for people: Healthy, or what is wrong.
	// +optional
	ReplicaStatus string `json:"replicaStatus,omitempty"`
	// Image is imageName:imageVersion.
	// +optional
	Image string `json:"image,omitempty"`
	// URL is where clients reach the adapter.
	// +optional
	URL string `json:"url,omitempty"`
	// AsleepSince is since when the adapter's pods are taken away because nobody
	// calls it. The next request removes it. Absent means that it is awake.
	// +optional
	AsleepSince *metav1.Time `json:"asleepSince,omitempty"`
	// WokenAt is when it was last woken.
	// +optional
	WokenAt *metav1.Time `json:"wokenAt,omitempty"`
	// Selector selects the pods, for the scale subresource.
	// +optional
	Selector string `json:"selector,omitempty"`
}
