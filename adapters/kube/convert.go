package kube

import (
	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// specOf is what an object's spec asks for, as the API says it, with secrets in
// place of the references to them. In memory of its own.
func specOf(object *v1alpha1.MCPAdapter, secrets map[string]adapters.Secret) adapters.Spec {
	from := &object.Spec
	spec := adapters.Spec{
		Name:                       object.Name,
		ImageName:                  from.ImageName,
		ImageVersion:               from.ImageVersion,
		EnvironmentVariables:       renamed[string](from.EnvironmentVariables),
		SecretEnvironmentVariables: secrets,
		ReplicaCount:               1,
		Description:                from.Description,
		UseWorkloadIdentity:        from.UseWorkloadIdentity,
		RequiredRoles:              retyped[string](from.RequiredRoles),
		Labels:                     renamed[string](from.Labels),
		Affinity:                   adapters.Affinity(from.Affinity),
		Inspection:                 adapters.Inspection(from.Inspection),
		ProcessModel:               adapters.ProcessModel(from.ProcessModel),
		SessionRecovery:            adapters.SessionRecovery(from.SessionRecovery),
		Limits:                     (*adapters.TrafficLimits)(from.Limits),
	}
	if from.ReplicaCount != nil {
		spec.ReplicaCount = int(*from.ReplicaCount)
	}
	if rules := from.ToolRules; rules != nil {
		spec.ToolRules = &adapters.ToolRules{
			Allow: retyped[string](rules.Allow), Deny: retyped[string](rules.Deny), Expression: rules.Expression,
		}
	}
	if auth := from.UpstreamAuth; auth != nil {
		spec.UpstreamAuth = &adapters.UpstreamAuth{
			Mode: adapters.UpstreamMode(auth.Mode), Secret: auth.Secret, Header: auth.Header, Scheme: auth.Scheme,
			Audience: auth.Audience, Resource: auth.Resource, Scopes: retyped[string](auth.Scopes),
		}
	}
	return spec.Normalize()
}

// setSpec makes object ask for what spec does, with references in place of its
// secrets. What only Kubernetes knows of the object stays as it is.
func setSpec(object *v1alpha1.MCPAdapter, spec adapters.Spec, references map[string]v1alpha1.SecretReference) {
	spec = spec.Normalize()
	replicas := int32(min(spec.ReplicaCount, adapters.MaxReplicaCount))
	to := v1alpha1.MCPAdapterSpec{
		ImageName:                  spec.ImageName,
		ImageVersion:               spec.ImageVersion,
		EnvironmentVariables:       renamed[v1alpha1.VariableValue](spec.EnvironmentVariables),
		SecretEnvironmentVariables: references,
		ReplicaCount:               &replicas,
		Description:                spec.Description,
		UseWorkloadIdentity:        spec.UseWorkloadIdentity,
		RequiredRoles:              retyped[v1alpha1.PrintableText](spec.RequiredRoles),
		Labels:                     renamed[v1alpha1.LabelValue](spec.Labels),
		Affinity:                   string(spec.Affinity),
		Inspection:                 string(spec.Inspection),
		ProcessModel:               string(spec.ProcessModel),
		SessionRecovery:            string(spec.SessionRecovery),
		Limits:                     (*v1alpha1.TrafficLimits)(spec.Limits),
		PodSettings:                object.Spec.PodSettings,
	}
	if rules := spec.ToolRules; rules != nil {
		to.ToolRules = &v1alpha1.ToolRules{
			Allow:      retyped[v1alpha1.PrintableText](rules.Allow),
			Deny:       retyped[v1alpha1.PrintableText](rules.Deny),
			Expression: rules.Expression,
		}
	}
	if auth := spec.UpstreamAuth; auth != nil {
		to.UpstreamAuth = &v1alpha1.UpstreamAuth{
			Mode: string(auth.Mode), Secret: auth.Secret, Header: auth.Header, Scheme: auth.Scheme,
			Audience: auth.Audience, Resource: auth.Resource, Scopes: retyped[v1alpha1.Scope](auth.Scopes),
		}
	}
	object.Name, object.Spec = spec.Name, to
}

// retyped is from in another type of text. Nil stays nil.
func retyped[To, From ~string](from []From) []To {
	if from == nil {
		return nil
	}
	to := make([]To, len(from))
	for i, text := range from {
		to[i] = To(text)
	}
	return to
}

// renamed is retyped for the values of a map.
func renamed[To, From ~string](from map[string]From) map[string]To {
	if from == nil {
		return nil
	}
	to := make(map[string]To, len(from))
	for name, text := range from {
		to[name] = To(text)
	}
	return to
}
