package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// adopt takes over what an earlier start has left: each recorded bridge that
// still runs becomes a replica again, whatever the store says now: the plan
// decides what becomes of it. All else that bears this Deployer's mark is ended.
func (d *Deployer) adopt() error {
	dirs, err := d.instanceFolders()
	if err != nil {
		return err
	}
	adopted := map[string]bool{}
	var replicas []*replica
	for _, dir := range dirs {
		if r, ok := d.adoptFolder(dir); ok {
			adopted[r.id] = true
			replicas = append(replicas, r)
		}
	}
	strays := func(id string) bool { return d.owns(id) && !adopted[id] }
	if err := sweep(strays, 0); err != nil {
		// What cannot be killed now does not keep the rest from working.
		d.cfg.Log.Error("processes of an earlier start are left", "error", err)
	}
	for _, dir := range dirs {
		if adopted[filepath.Base(dir)] {
			continue
		}
		if err := removeAll(dir); err != nil {
			d.cfg.Log.Warn("folder of an earlier start was not removed", "error", err)
		}
	}
	if err := d.removeSockets(adopted); err != nil {
		d.cfg.Log.Warn("sockets of an earlier start were not removed", "error", err)
	}
	slices.SortFunc(replicas, func(a, b *replica) int { return a.record.Started.Compare(b.record.Started) })
	for _, r := range replicas {
		d.launch(r, true)
	}
	return nil
}

// instanceFolders lists the folders of all replicas, of this Deployer's and of
// others': a state folder that was copied holds the latter.
func (d *Deployer) instanceFolders() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(escapeGlob(d.cfg.AdaptersDir), "*", "*"))
	if err != nil {
		return nil, fmt.Errorf("listing replicas: %w", err)
	}
	var dirs []string
	for _, path := range found {
		if isInstanceID(filepath.Base(path)) {
			dirs = append(dirs, path)
		}
	}
	return dirs, nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// adoptFolder makes a replica of the bridge that is recorded in dir, provided
// that it runs, and is the one that was started for this instance.
func (d *Deployer) adoptFolder(dir string) (*replica, bool) {
	if !d.owns(filepath.Base(dir)) {
		return nil, false
	}
	rec, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false // it was stopped in order
	}
	if err != nil {
		d.cfg.Log.Warn("replica of an earlier start is not known by its record", "error", err)
		return nil, false
	}
	p, alive := rec.open(d.boot)
	if !alive {
		return nil, false
	}
	if instanceOf(rec.PID) != rec.Instance {
		p.close()
		return nil, false
	}
	r := d.newReplica(rec)
	r.process, r.adopted = p, true
	if !rec.DrainingSince.IsZero() {
		r.raise(goalDrain)
	}
	d.metrics.adoptions.Inc()
	r.log.Info("bridge adopted", "pid", rec.PID)
	return r, true
}

// removeSockets removes those of this Deployer's bridges that are gone.
func (d *Deployer) removeSockets(alive map[string]bool) error {
	dir := filepath.Join(d.cfg.RunDir, "b")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing sockets: %w", err)
	}
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), ".sock")
		if !ok || !d.owns(id) || alive[id] {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("removing an old socket: %w", err)
		}
	}
	return nil
}
