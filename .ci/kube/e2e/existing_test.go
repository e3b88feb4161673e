package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// ownEnvoy: the Deployment of docs/how-to/existing-envoy.md, an Envoy with a
// listener of its own, serves that and Mooring.
func ownEnvoy(t *testing.T) {
	m := gateway(t)
	deploy(t, m, testServer("beside", 1))
	manifest := documented(t)
	kubectl(t, manifest, "apply", "--filename", "-")
	t.Cleanup(func() {
		if _, err := tryKubectl(context.WithoutCancel(t.Context()), manifest, "delete", "--filename", "-", "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	pods := awaitPods(t, release, client.MatchingLabels{"app": "own-envoy"}, 2, startTimeout)
	own := pods[0].Status.PodIP
	res, err := http.Get("http://" + own + ":10000/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); string(text) != "mine\n" {
		t.Errorf("its own listener answers %q, error %v", text, err)
	}
	m = harness.Attach(t, front, toEnvoy(own)).As("Authorization", "Bearer "+adminKey(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	session, err := m.TryConnectAs(ctx, "beside", harness.Legacy, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := harness.Call(ctx, session, "echo", map[string]any{"text": "moored"}); err != nil || !strings.Contains(answer, "moored") {
		t.Errorf("a call through it: %q, error %v", answer, err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

// documented is the manifest of the page, with the lab's images and address.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/how-to/existing-envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(apiVersion: apps/v1\n.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no Deployment")
	}
	var installed appsv1.Deployment
	if err := lab.objects.Get(t.Context(), client.ObjectKey{Namespace: release, Name: release + "-envoy"}, &installed); err != nil {
		t.Fatal(err)
	}
	pod := installed.Spec.Template.Spec
	return strings.NewReplacer(
		"docker.io/envoyproxy/envoy:distroless-v1.40.0", pod.InitContainers[0].Image,
		"registry.example.com/mooring/mooring-extproc:0.1.0", pod.Containers[0].Image,
		"https://mcp.example.com", "http://"+front, "image: ", "imagePullPolicy: Never\n        image: ",
	).Replace(string(block[1]))
}
