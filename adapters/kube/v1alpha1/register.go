package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The names of the resource in Kubernetes' API.
const (
	Group    = "mooring.dev"
	Version  = "v1alpha1"
	Kind     = "MCPAdapter"
	Resource = "mcpadapters"
)

// GroupVersion is that of the types of this package.
func GroupVersion() schema.GroupVersion { return schema.GroupVersion{Group: Group, Version: Version} }

// AddToScheme makes the types known to scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion(), &MCPAdapter{}, &MCPAdapterList{})
	metav1.AddToGroupVersion(scheme, GroupVersion())
	return nil
}
