package kube

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// TestSpecSurvivesTheObject writes every valid spec into an object, sends that
// through JSON as the API server does, and reads it back.
func TestSpecSurvivesTheObject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := adapterstest.Specs().Draw(t, "spec")
		if len(spec.Validate(adapters.Limits{MaxReplicas: adapters.MaxReplicaCount})) > 0 {
			return
		}
		var object v1alpha1.MCPAdapter
		references, _ := place(&object, nil, spec.SecretEnvironmentVariables)
		setSpec(&object, spec, references)
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var read v1alpha1.MCPAdapter
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		if got := specOf(&read, spec.SecretEnvironmentVariables); !got.Equal(spec) {
			t.Errorf("(-want +got):\n%s\n%s", cmp.Diff(spec.Normalize(), got), text)
		}
		if len(read.Spec.SecretEnvironmentVariables) != len(spec.SecretEnvironmentVariables) {
			t.Errorf("%d references for %d secrets", len(read.Spec.SecretEnvironmentVariables), len(spec.SecretEnvironmentVariables))
		}
	})
}

func TestAbsentReplicaCountIsOne(t *testing.T) {
	if got := specOf(&v1alpha1.MCPAdapter{}, nil).ReplicaCount; got != 1 {
		t.Errorf("got %d", got)
	}
}

// TestPodSettingsStay: the API knows nothing of them, and leaves them.
func TestPodSettingsStay(t *testing.T) {
	settings := v1alpha1.PodSettings{
		NodeSelector: map[string]string{"disk": "fast"}, ServiceAccountName: "one",
		Tolerations: []corev1.Toleration{{Key: "spot"}},
	}
	object := v1alpha1.MCPAdapter{Spec: v1alpha1.MCPAdapterSpec{Description: "before", PodSettings: settings}}
	setSpec(&object, adapterstest.Example("one").Spec, nil)
	if d := cmp.Diff(settings, object.Spec.PodSettings); d != "" || object.Spec.Description == "before" {
		t.Errorf("(-want +got):\n%s\n%q", d, object.Spec.Description)
	}
}

// TestObjectHasEveryMember: whoever adds a member to the adapter's JSON adds it to
// the custom resource.
func TestObjectHasEveryMember(t *testing.T) {
	for _, tt := range []struct {
		api, object any
		but         []string
	}{
		{adapters.Spec{}, v1alpha1.MCPAdapterSpec{}, []string{"name"}},
		{adapters.ToolRules{}, v1alpha1.ToolRules{}, nil},
		{adapters.TrafficLimits{}, v1alpha1.TrafficLimits{}, nil},
		{adapters.UpstreamAuth{}, v1alpha1.UpstreamAuth{}, nil},
	} {
		want := slices.DeleteFunc(memberNames(tt.api), func(name string) bool { return slices.Contains(tt.but, name) })
		if d := cmp.Diff(want, memberNames(tt.object)); d != "" {
			t.Errorf("%T (-API +custom resource):\n%s", tt.api, d)
		}
	}
}

// memberNames are the JSON names of a struct's own fields, in order.
func memberNames(of any) []string {
	var names []string
	for field := range reflect.TypeOf(of).Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
