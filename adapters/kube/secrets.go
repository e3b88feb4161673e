package kube

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// The labels of a Secret that are of interest here.
const (
	// labelPartOf with partOfMooring is on Secrets of the control plane, such as
	// its keys: no adapter is given what is in them.
	labelPartOf   = "app.kubernetes.io/part-of"
	partOfMooring = "mooring"
	labelManaged  = "app.kubernetes.io/managed-by"
	labelAdapter  = "mooring.dev/adapter"
)

// refusal is why an adapter is not given a secret.
type refusal string

// Error is the reason.
func (r refusal) Error() string { return string(r) }

const (
	noSecret    refusal = "there is no such Secret, or it is of a type that holds no variables"
	noKey       refusal = "the Secret has no such key"
	notText     refusal = "it is not a text in UTF-8"
	notLendable refusal = "the Secret holds a certificate, or is of the control plane or of another adapter"
)

// secretFault is what is wrong with a reference to a secret.
type secretFault struct {
	variable  string
	reference v1alpha1.SecretReference
	why       refusal
}

// Error names the place, and no value.
func (f *secretFault) Error() string {
	return fmt.Sprintf("secretEnvironmentVariables %s: key %s of Secret %s: %v", f.variable, f.reference.Key, f.reference.Name, f.why)
}

// finder finds a Secret by its name, for reading only. A refusal where there is
// none.
type finder func(name string) (*corev1.Secret, error)

// secretsOf are the values that object refers to. A secretFault where one is
// missing or not to be had.
func secretsOf(object *v1alpha1.MCPAdapter, find finder) (map[string]adapters.Secret, error) {
	if len(object.Spec.SecretEnvironmentVariables) == 0 {
		return nil, nil
	}
	values := make(map[string]adapters.Secret, len(object.Spec.SecretEnvironmentVariables))
	for _, variable := range slices.Sorted(maps.Keys(object.Spec.SecretEnvironmentVariables)) {
		reference := object.Spec.SecretEnvironmentVariables[variable]
		value, err := secretValue(object, reference, find)
		if why, refused := errors.AsType[refusal](err); refused {
			return nil, &secretFault{variable, reference, why}
		}
		if err != nil {
			return nil, err
		}
		values[variable] = value
	}
	return values, nil
}

func secretValue(object *v1alpha1.MCPAdapter, reference v1alpha1.SecretReference, find finder) (adapters.Secret, error) {
	secret, err := find(reference.Name)
	if err != nil {
		return "", err
	}
	value, found := secret.Data[reference.Key]
	switch {
	case !lendable(secret, object):
		return "", notLendable
	case !found:
		return "", noKey
	case !utf8.Valid(value):
		return "", notText
	}
	return adapters.Secret(value), nil
}

// lendable reports whether the adapter may be given what is in secret: it is
// neither of the control plane, whose certificates may be without its label, nor
// of another adapter.
func lendable(secret *corev1.Secret, object *v1alpha1.MCPAdapter) bool {
	return secret.Labels[labelPartOf] != partOfMooring && secret.Type != corev1.SecretTypeTLS && !slices.ContainsFunc(secret.OwnerReferences, func(owner metav1.OwnerReference) bool {
		return isAdapter(owner) && owner.UID != object.UID
	})
}

func isAdapter(owner metav1.OwnerReference) bool {
	return owner.Kind == v1alpha1.Kind && strings.HasPrefix(owner.APIVersion, v1alpha1.Group+"/")
}
