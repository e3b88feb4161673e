package reconcile

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

func wantedSet() *appsv1.StatefulSet {
	replicas := int32(2)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"x": "y"}}}
	set.Spec.Replicas = &replicas
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "server", Image: "i", Env: []corev1.EnvVar{{Name: "A", Value: "1"}}}}
	return set
}

func TestHolds(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*appsv1.StatefulSet)
		want   bool
	}{
		"as applied":        {func(*appsv1.StatefulSet) {}, true},
		"defaults":          {func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.DNSPolicy = "ClusterFirst"; s.Status.Replicas = 7 }, true},
		"others' label":     {func(s *appsv1.StatefulSet) { s.Labels["team"] = "tools" }, true},
		"default in a list": {func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].TerminationMessagePath = "/dev" }, true},
		"replicas":          {func(s *appsv1.StatefulSet) { *s.Spec.Replicas = 1 }, false},
		"label":             {func(s *appsv1.StatefulSet) { delete(s.Labels, "x") }, false},
		"image":             {func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = "evil" }, false},
		"variable":          {func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Env[0].Value = "2" }, false},
		"one more": {func(s *appsv1.StatefulSet) {
			s.Spec.Template.Spec.Containers[0].Env = append(s.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "B"})
		}, false},
		"no container": {func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers = nil }, false},
		"other digest": {func(s *appsv1.StatefulSet) { s.Annotations[annotationApplied] = "other" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := manifest(wantedSet())
			if err != nil {
				t.Fatal(err)
			}
			live := wantedSet()
			live.Annotations = m.GetAnnotations()
			test.change(live)
			if got, err := holds(live, m); err != nil || got != test.want {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}

func TestManifestOwnsNothingEmpty(t *testing.T) {
	m, err := manifest(wantedSet())
	if err != nil {
		t.Fatal(err)
	}
	if _, found := m.Object["status"]; found {
		t.Error("it has a status")
	}
	if _, found := m.Object["metadata"].(map[string]any)["creationTimestamp"]; found {
		t.Error("it has a time")
	}
}

// TestOpenAnswersAreAwaited: what Envoy has not answered yet is no news.
func TestOpenAnswersAreAwaited(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, test := range map[string]struct {
		said, before string
		observed     int64
		open         time.Duration
		want         string
		wait         time.Duration
	}{
		"accepted":      {said: adapters.StatusTrue, want: adapters.StatusTrue},
		"refused":       {said: adapters.StatusFalse, before: adapters.StatusTrue, observed: 2, want: adapters.StatusFalse},
		"just now":      {said: adapters.StatusUnknown, open: time.Second, want: "", wait: openSoon},
		"for some time": {said: adapters.StatusUnknown, open: 10 * time.Second, want: adapters.StatusUnknown, wait: openSoon},
		"for long":      {said: adapters.StatusUnknown, open: time.Hour, want: adapters.StatusUnknown, wait: openLong},
		"was accepted":  {said: adapters.StatusUnknown, before: adapters.StatusTrue, observed: 2, open: time.Hour, want: adapters.StatusTrue, wait: openLong},
		"another was":   {said: adapters.StatusUnknown, before: adapters.StatusTrue, observed: 1, open: time.Second, want: "", wait: openSoon},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Config{})
			r.now = func() time.Time { return now }
			object := &v1alpha1.MCPAdapter{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
			if test.before != "" {
				object.Status.Conditions = []metav1.Condition{{
					Type: adapters.ConditionProgrammed, Status: metav1.ConditionStatus(test.before), ObservedGeneration: test.observed,
				}}
			}
			said, wait := r.await(object, []adapters.Condition{
				{Type: adapters.ConditionReady, Status: adapters.StatusTrue},
				{Type: adapters.ConditionProgrammed, Status: test.said, LastTransitionTime: now.Add(-test.open)},
			})
			got := ""
			if len(said) == 2 {
				got = said[1].Status
			}
			if got != test.want || wait != test.wait {
				t.Errorf("says %q, and asks again after %s", got, wait)
			}
		})
	}
}

// TestLongMessages: they are cut between two letters.
func TestLongMessages(t *testing.T) {
	var status v1alpha1.MCPAdapterStatus
	setConditions(&status, []adapters.Condition{{
		Type: adapters.ConditionReady, Status: adapters.StatusFalse, Reason: reasonRefused, Message: "x" + strings.Repeat("é", maxMessage),
	}}, 1)
	if got := status.Conditions[0].Message; len(got) != maxMessage-1 || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid %t", len(got), utf8.ValidString(got))
	}
}

// TestReasons: those that Kubernetes would refuse, with all of the status, are
// changed to others.
func TestReasons(t *testing.T) {
	for said, want := range map[string]string{
		"FailedMount": "FailedMount", "a_b,c:d": "a_b,c:d", "Failed-mount of x.": "Failedmountofx", "9_lives_": "lives", "é: ": reasonOther, "": reasonOther,
		strings.Repeat("a", 2000): strings.Repeat("a", maxReason),
	} {
		var status v1alpha1.MCPAdapterStatus
		setConditions(&status, []adapters.Condition{{Type: adapters.ConditionReady, Status: adapters.StatusFalse, Reason: said}}, 1)
		if got := status.Conditions[0].Reason; got != want {
			t.Errorf("%q becomes %q, want %q", said, got, want)
		}
	}
}
