// Package v1alpha1 is the form of an adapter in Kubernetes: the custom resource
// MCPAdapter of the group mooring.dev. Its spec is the adapter JSON of the API,
// without the name, and what only Kubernetes knows. The CustomResourceDefinition
// in charts/mooring/crds is generated from it (make generate); a test holds its
// rules equal to those of the API.
//
// +kubebuilder:object:generate=true
// +groupName=mooring.dev
package v1alpha1
