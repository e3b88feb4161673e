package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
)

// world is a machine with one Deployer, and a store to tell it what to run.
type world struct {
	*Deployer
	t      *testing.T
	store  *adapterstest.Store
	config Config
	pids   string
	stop   func()
	logged *lockedBuffer
	// silence is the Deployer's, where it is not zero.
	silence time.Duration
}

// newWorld makes a world in which nothing runs yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, store: &adapterstest.Store{}, pids: filepath.Join(dir, "pids"), logged: &lockedBuffer{}, stop: func() {}}
	w.config = worldConfig(dir)
	w.config.Store = w.store
	w.config.Log = slog.New(slog.NewTextHandler(w.logged, nil))
	if err := os.MkdirAll(w.pids, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.stop()
		w.assertAllGone()
		if t.Failed() {
			t.Logf("log of the deployer:\n%s", w.logged)
		}
	})
	return w
}

func worldConfig(dir string) Config {
	binary, err := os.Executable()
	must(err)
	return Config{
		AdaptersDir:  filepath.Join(dir, "adapters"),
		RunDir:       filepath.Join(dir, "run"),
		Bridge:       binary,
		DrainDelay:   20 * time.Millisecond,
		DrainTimeout: 20 * time.Second,
		StopGrace:    300 * time.Millisecond,
	}
}

// start runs a new Deployer.
func (w *world) start() {
	w.t.Helper()
	d, err := New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Deployer = d
	if w.silence > 0 {
		d.silence = w.silence
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
}

// adapter is one that runs the fake bridge, with more variables as key, value.
func (w *world) adapter(name string, replicas int, variables ...string) adapters.Adapter {
	// A program built with -race takes a second to end unless it is told not to.
	environment := map[string]string{"FAKE_ROLE": "bridge", "FAKE_PIDS": w.pids, "GORACE": "atexit_sleep_ms=0"}
	for i := 0; i < len(variables); i += 2 {
		environment[variables[i]] = variables[i+1]
	}
	return adapters.Adapter{ID: adapters.UID("uid-" + name), Spec: adapters.Spec{
		Name: name, ImageName: adapters.BridgeImage, ImageVersion: "1", EnvironmentVariables: environment, ReplicaCount: replicas,
	}}
}

func (w *world) create(a adapters.Adapter) {
	w.t.Helper()
	if _, err := w.store.Create(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) update(a adapters.Adapter) {
	w.t.Helper()
	if _, err := w.store.Update(w.t.Context(), a, ""); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delete(a adapters.Adapter) {
	w.t.Helper()
	if err := w.store.Delete(w.t.Context(), a.Name, ""); err != nil {
		w.t.Fatal(err)
	}
}

// await waits until the adapter's instances, written as "0 Ready,1 Failed", are
// as wanted, and returns them.
func (w *world) await(a adapters.Adapter, want string) []adapters.Instance {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	changes := w.Changes(ctx)
	for {
		instances := w.Instances()[a.ID]
		if describe(instances) == want {
			return instances
		}
		select {
		case <-changes:
		case <-ctx.Done():
			w.t.Fatalf("instances are %q, want %q: %+v", describe(instances), want, instances)
		}
	}
}

func describe(instances []adapters.Instance) string {
	var states []string
	for _, i := range instances {
		states = append(states, fmt.Sprintf("%d %s", i.Ordinal, i.State))
	}
	return strings.Join(states, ",")
}

func (w *world) dir(a adapters.Adapter, i adapters.Instance) string {
	return filepath.Join(w.config.AdaptersDir, string(a.ID), i.ID)
}

func (w *world) record(a adapters.Adapter, i adapters.Instance) record {
	w.t.Helper()
	r, err := readRecord(w.dir(a, i))
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) saw(a adapters.Adapter, i adapters.Instance) seen {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir(a, i), stateName, "seen.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	var s seen
	if err := json.Unmarshal(text, &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// killBridge kills it as a crash would.
func (w *world) killBridge(a adapters.Adapter, i adapters.Instance) {
	w.t.Helper()
	if err := syscall.Kill(w.record(a, i).PID, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
}

// processes are the pids that the fakes have noted, by generation.
func (w *world) processes() map[string][]int {
	w.t.Helper()
	entries, err := os.ReadDir(w.pids)
	if err != nil {
		w.t.Fatal(err)
	}
	found := map[string][]int{}
	for _, e := range entries {
		generation, pid, _ := strings.Cut(e.Name(), "-")
		n, err := strconv.Atoi(pid)
		if err != nil {
			w.t.Fatal(err)
		}
		found[generation] = append(found[generation], n)
	}
	return found
}

// awaitChildren waits until the fake's child and its two children run.
func (w *world) awaitChildren(bridges int) {
	w.t.Helper()
	w.eventually("the children run", func() bool {
		p := w.processes()
		return len(p["1"]) == bridges && len(p["session"]) == bridges && len(p["hidden"]) == bridges
	})
}

func (w *world) alive() []int {
	var alive []int
	for _, pids := range maps.All(w.processes()) {
		for _, pid := range pids {
			if s, err := readStat(pid); err == nil && !s.dead() {
				alive = append(alive, pid)
			}
		}
	}
	slices.Sort(alive)
	return alive
}

func (w *world) assertAllGone() {
	w.t.Helper()
	for _, pid := range w.alive() {
		w.t.Errorf("process %d is left", pid)
		syscall.Kill(pid, syscall.SIGKILL)
	}
	sockets, err := filepath.Glob(filepath.Join(w.config.RunDir, "b", "*"))
	if err != nil || len(sockets) > 0 {
		w.t.Errorf("sockets are left: %v %v", sockets, err)
	}
	records, err := filepath.Glob(filepath.Join(w.config.AdaptersDir, "*", "*", recordName))
	if err != nil || len(records) > 0 {
		w.t.Errorf("records are left: %v %v", records, err)
	}
}

// eventually polls for what no channel tells of.
func (w *world) eventually(what string, done func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not so after 20 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) touch(name string) string {
	w.t.Helper()
	path := filepath.Join(filepath.Dir(w.pids), name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) remove(path string) {
	w.t.Helper()
	if err := os.Remove(path); err != nil {
		w.t.Fatal(err)
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
