package local

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
)

// runFakeGateway is a process with a Deployer of its own, which runs the
// adapters in its environment until it is told to end, or killed.
func runFakeGateway() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	store := &adapterstest.Store{}
	var wanted []adapters.Adapter
	must(json.Unmarshal([]byte(os.Getenv("FAKE_ADAPTERS")), &wanted))
	for _, a := range wanted {
		_, err := store.Create(ctx, a)
		must(err)
	}
	config := worldConfig(os.Getenv("FAKE_DIR"))
	config.Store = store
	d, err := New(config)
	must(err)
	must(d.Run(ctx))
}

// crashed runs the adapters in another process, kills it once ready says so, and
// leaves what it has started.
func (w *world) crashed(ready func() bool, wanted ...adapters.Adapter) {
	w.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(wanted)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "FAKE_ROLE=gateway", "FAKE_DIR="+filepath.Dir(w.pids), "FAKE_ADAPTERS="+string(text))
	cmd.Stderr = w.logged
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.eventually("the other gateway's bridges run", ready)
	if err := cmd.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// records are those of all instances of a that are on disk.
func (w *world) records(a adapters.Adapter) []record {
	w.t.Helper()
	paths, err := filepath.Glob(filepath.Join(w.config.AdaptersDir, string(a.ID), "*", recordName))
	if err != nil {
		w.t.Fatal(err)
	}
	var found []record
	for _, path := range paths {
		if r, err := readRecord(filepath.Dir(path)); err == nil {
			found = append(found, r)
		}
	}
	return found
}

// running reports whether so many bridges of a serve.
func (w *world) running(a adapters.Adapter, bridges int) func() bool {
	return func() bool {
		serving := 0
		for _, r := range w.records(a) {
			p := newProber(r.Socket)
			if h, err := p.probe(w.t.Context()); err == nil && h.state == adapters.InstanceReady {
				serving++
			}
			p.client.CloseIdleConnections()
		}
		return serving == bridges
	}
}
