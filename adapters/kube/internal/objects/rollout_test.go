package objects_test

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
)

// kind is how a pod of a rollout is.
type kind struct {
	old, ready, ending bool
}

func TestRollout(t *testing.T) {
	for name, test := range map[string]struct {
		replicas        int32
		pods            map[int]kind
		want, partition int32
	}{
		"none yet":                {replicas: 1, want: 1},
		"three of old":            {replicas: 3, pods: map[int]kind{0: {old: true, ready: true}}, want: 3},
		"serves":                  {replicas: 1, pods: map[int]kind{0: {ready: true}}, want: 1},
		"starts":                  {replicas: 1, pods: map[int]kind{0: {}}, want: 1},
		"old one serves":          {replicas: 1, pods: map[int]kind{0: {old: true, ready: true}}, want: 2, partition: 1},
		"helper starts":           {replicas: 1, pods: map[int]kind{0: {old: true, ready: true}, 1: {}}, want: 2, partition: 1},
		"helper is old":           {replicas: 1, pods: map[int]kind{0: {old: true, ready: true}, 1: {old: true, ready: true}}, want: 2, partition: 1},
		"helper serves":           {replicas: 1, pods: map[int]kind{0: {old: true, ready: true}, 1: {ready: true}}, want: 2},
		"old one ends":            {replicas: 1, pods: map[int]kind{0: {old: true, ready: true, ending: true}, 1: {ready: true}}, want: 2},
		"old one is gone":         {replicas: 1, pods: map[int]kind{1: {ready: true}}, want: 2},
		"new one starts":          {replicas: 1, pods: map[int]kind{0: {}, 1: {ready: true}}, want: 2},
		"new one serves":          {replicas: 1, pods: map[int]kind{0: {ready: true}, 1: {ready: true}}, want: 1},
		"helper ends":             {replicas: 1, pods: map[int]kind{0: {ready: true}, 1: {ready: true, ending: true}}, want: 1},
		"old one never served":    {replicas: 1, pods: map[int]kind{0: {old: true}}, want: 1},
		"old one is deleted":      {replicas: 1, pods: map[int]kind{0: {old: true, ready: true, ending: true}}, want: 2},
		"deleted just now":        {replicas: 1, pods: map[int]kind{0: {ready: true, ending: true}}, want: 2},
		"drains for long":         {replicas: 1, pods: map[int]kind{0: {ready: true, ending: true}}, want: 2},
		"drains, helper starts":   {replicas: 1, pods: map[int]kind{0: {ending: true}, 1: {}}, want: 2},
		"neither of two is ready": {replicas: 1, pods: map[int]kind{0: {}, 1: {}}, want: 1},
		"to none":                 {replicas: 0, pods: map[int]kind{0: {old: true, ready: true}}, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "mcp-a"}}
			set.Spec.Replicas = &test.replicas
			set.Spec.Template.Labels = map[string]string{objects.LabelRevision: "new"}
			set.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: new(int32)}
			var pods []corev1.Pod
			for ordinal, k := range test.pods {
				pods = append(pods, rolled(ordinal, k))
			}
			objects.Rollout(set, pods)
			if got := *set.Spec.UpdateStrategy.RollingUpdate.Partition; *set.Spec.Replicas != test.want || got != test.partition {
				t.Errorf("replicas %d, partition %d", *set.Spec.Replicas, got)
			}
		})
	}
}

func rolled(ordinal int, k kind) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("mcp-a-%d", ordinal), Labels: map[string]string{objects.LabelRevision: "new"},
	}}
	if k.old {
		pod.Labels[objects.LabelRevision] = "old"
	}
	if k.ready {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	if k.ending {
		at := metav1.Now()
		pod.DeletionTimestamp = &at
	}
	return pod
}

func TestNames(t *testing.T) {
	long := "a234567890123456789012345678901234567890123456" // 46
	for adapter, want := range map[string]string{
		"a":       "mcp-a",
		long[:44]: "mcp-" + long[:44],
		long[:45]: "mcp-a234567890123456789012345678901-",
	} {
		got := objects.Name(adapter)
		if len(got) > 52 || got[:len(want)] != want || (len(got) > 48) != (len(adapter) > 44) {
			t.Errorf("%s gives %s", adapter, got)
		}
	}
	if objects.Name(long+"a") == objects.Name(long+"b") {
		t.Error("two adapters have one name")
	}
}
