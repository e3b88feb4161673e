package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// The namespaces of ../cluster.yaml.
const (
	release  = "mooring"
	adapters = "mcp"
)

// component selects the pods of a part of the chart.
func component(name string) client.MatchingLabels {
	return client.MatchingLabels{"app.kubernetes.io/instance": release, "app.kubernetes.io/component": name}
}

// adapter selects the pods of an adapter.
func adapterPods(name string) client.MatchingLabels {
	return client.MatchingLabels{"mooring.dev/adapter": name}
}

// kubectl runs it, with text on its standard input, and returns what it prints.
func kubectl(t *testing.T, text string, args ...string) string {
	t.Helper()
	printed, err := tryKubectl(t.Context(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	return printed
}

func tryKubectl(ctx context.Context, text string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv("LAB_BIN"), "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(lab.state, "admin.kubeconfig"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// podsOf are the pods in the namespace that the labels select.
func podsOf(t *testing.T, namespace string, labels client.MatchingLabels) []corev1.Pod {
	t.Helper()
	var list corev1.PodList
	if err := lab.objects.List(t.Context(), &list, client.InNamespace(namespace), labels); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// ready reports whether the pod serves.
func ready(pod corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// awaitPods waits until there are so many pods and all of them serve.
func awaitPods(t *testing.T, namespace string, labels client.MatchingLabels, n int, timeout time.Duration) []corev1.Pod {
	t.Helper()
	var pods []corev1.Pod
	harness.Await(t, fmt.Sprintf("%d pods of %v in %s are ready", n, labels, namespace), timeout, func() bool {
		pods = podsOf(t, namespace, labels)
		serving := 0
		for _, pod := range pods {
			if ready(pod) {
				serving++
			}
		}
		return serving == n && len(pods) == n
	})
	return pods
}

// deletePod deletes it; at once and without a word to it where now is set.
func deletePod(t *testing.T, pod corev1.Pod, now bool) {
	t.Helper()
	var options []client.DeleteOption
	if now {
		options = append(options, client.GracePeriodSeconds(0))
	}
	if err := lab.objects.Delete(t.Context(), &pod, options...); err != nil {
		t.Fatal(err)
	}
}

// processes are those of that program in the pod: pods run on this machine.
func processes(t *testing.T, pod corev1.Pod, program string) (pids []int) {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		groups, err := os.ReadFile(filepath.Join(folder, "cgroup"))
		if err != nil || !bytes.Contains(groups, []byte(pod.UID)) {
			continue
		}
		exe, err := os.Readlink(filepath.Join(folder, "exe"))
		if err != nil || filepath.Base(exe) != program {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// kill ends the program in the pod with SIGKILL.
func kill(t *testing.T, pod corev1.Pod, program string) {
	t.Helper()
	pids := processes(t, pod, program)
	if len(pids) == 0 {
		t.Fatalf("%s runs no %s", pod.Name, program)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("killing %s of %s: %v", program, pod.Name, err)
		}
	}
}

// restarts is how often containers of the pod were started again.
func restarts(pod corev1.Pod) (n int32) {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for _, status := range statuses {
			n += status.RestartCount
		}
	}
	return n
}

// script runs one of the lab's scripts.
func script(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join("..", "lab", name), args...)
	cmd.Env = append(os.Environ(), "LAB_STATE="+lab.state)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
