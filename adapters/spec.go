package adapters

import (
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

//go:embed schema.json
var schema string

// Schema is the JSON Schema (2020-12) of an adapter's JSON: the truth for the
// API, OpenAPI and the custom resource. Validate holds every Spec to it.
func Schema() []byte { return []byte(schema) }

// NewUID is a UID that no other adapter has.
func NewUID() UID {
	var random [16]byte
	// Since Go 1.24 this never fails: the program ends where there is no
	// randomness.
	_, _ = rand.Read(random[:])
	encoding := base32.StdEncoding.WithPadding(base32.NoPadding)
	return UID(strings.ToLower(encoding.EncodeToString(random[:])))
}

// Normalize is s with empty values in place of absent ones, in memory of its
// own, so that it encodes as objects and lists and not as null.
func (s Spec) Normalize() Spec {
	s.EnvironmentVariables = maps.Clone(s.EnvironmentVariables)
	if s.EnvironmentVariables == nil {
		s.EnvironmentVariables = map[string]string{}
	}
	s.SecretEnvironmentVariables = maps.Clone(s.SecretEnvironmentVariables)
	if len(s.SecretEnvironmentVariables) == 0 {
		s.SecretEnvironmentVariables = nil
	}
	s.RequiredRoles = slices.Clone(s.RequiredRoles)
	if s.RequiredRoles == nil {
		s.RequiredRoles = []string{}
	}
	s.Labels = maps.Clone(s.Labels)
	if len(s.Labels) == 0 {
		s.Labels = nil
	}
	s.ToolRules = s.ToolRules.normalize()
	s.Limits = s.Limits.normalize()
	if s.Inspection == InspectionAlways {
		s.Inspection = ""
	}
	s.UpstreamAuth = s.UpstreamAuth.normalize()
	if s.Affinity == AffinityNone {
		s.Affinity = ""
	}
	return s
}

// Equal reports whether s and o ask for the same.
func (s Spec) Equal(o Spec) bool { return reflect.DeepEqual(s.Normalize(), o.Normalize()) }

// Image is imageName:imageVersion.
func (s Spec) Image() string { return s.ImageName + ":" + s.ImageVersion }

// TemplateHash is a digest of the part of s that a running process was started
// from: image, environment, the bridge's settings and workload identity. Where it differs, the replica
// must be replaced; a change of the rest needs no new process. 16 hex
// characters.
func (s Spec) TemplateHash() string {
	template := struct {
		Image               string
		Environment         map[string]string
		UseWorkloadIdentity bool
	}{s.Image(), s.ServerEnvironment(), s.UseWorkloadIdentity}
	if len(template.Environment) == 0 {
		template.Environment = nil
	}
	text, err := json.Marshal(template)
	if err != nil {
		panic("adapters: strings cannot fail to marshal: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
