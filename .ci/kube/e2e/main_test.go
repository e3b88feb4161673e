// Package e2e drives Mooring on a real Kubernetes from outside: the lab's nodes,
// the chart, images of this checkout. `make test-k8s` runs it.
package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// lab is the cluster that all tests share. LAB_STATE names one that is up
// already; without it a lab is started, and ended with the tests.
var lab struct {
	// state is the folder of its logs.
	state   string
	objects client.Client
	pods    kubernetes.Interface
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	if os.Getenv("LAB_STATE") == "" {
		if err := up(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { down(code == 0) }()
	}
	lab.state = os.Getenv("LAB_STATE")
	if err := connect(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// up starts a lab with the images in LAB_ARCHIVES, and the chart with more values
// from LAB_VALUES where that is set.
func up() error {
	var printed bytes.Buffer
	args := []string{os.Getenv("LAB_ARCHIVES")}
	if values := os.Getenv("LAB_VALUES"); values != "" {
		args = append(args, values)
	}
	cmd := exec.Command("../up.sh", args...)
	cmd.Stdout, cmd.Stderr = &printed, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("starting the lab: %w", err)
	}
	for line := range strings.Lines(printed.String()) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok {
			if err := os.Setenv(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// down ends the lab, and keeps its logs where they may be of use.
func down(passed bool) {
	cmd := exec.Command("../lab/stop.sh")
	if passed {
		cmd.Env = append(os.Environ(), "LAB_PURGE=1")
	} else {
		fmt.Fprintln(os.Stderr, "the lab's logs are in", lab.state)
	}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the lab:", err)
	}
}

func connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(lab.state, "admin.kubeconfig"))
	if err != nil {
		return fmt.Errorf("connecting to the lab: %w", err)
	}
	config.QPS, config.Burst = -1, -1
	ctrllog.SetLogger(logr.Discard())
	if lab.pods, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	scheme := clientgoscheme.Scheme
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	lab.objects, err = client.New(config, client.Options{Scheme: scheme})
	return err
}
