package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/mooring-mcp/mooring/adapters"
)

// unlocked are the rows of adapters whose records can be read, or are gone. The
// others are left as they are until it is known what they should be.
func unlocked(rows []row, locked []*adapters.UnreadableError) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		return slices.ContainsFunc(locked, func(e *adapters.UnreadableError) bool {
			return e.ID == r.adapter || e.ID == "" && e.Name == r.replica.adapterName
		})
	})
}

// removeFolders removes the folders of adapters that are neither wanted nor
// locked, nor have a replica any more. While it is not known which folder a
// locked one has, it removes none.
func (d *Deployer) removeFolders(wanted []adapters.Adapter, locked []*adapters.UnreadableError, rows []row) {
	keep := map[string]bool{}
	for _, e := range locked {
		if e.ID == "" {
			return
		}
		keep[string(e.ID)] = true
	}
	for _, a := range wanted {
		keep[string(a.ID)] = true
	}
	for _, r := range rows {
		keep[string(r.adapter)] = true
	}
	entries, err := os.ReadDir(d.cfg.AdaptersDir)
	if err != nil {
		d.cfg.Log.Warn("folders of adapters cannot be listed", "error", err)
		return
	}
	for _, entry := range entries {
		dir := filepath.Join(d.cfg.AdaptersDir, entry.Name())
		if keep[entry.Name()] || !entry.IsDir() || !isAdapterFolder(dir) {
			continue
		}
		if err := removeAll(dir); err != nil {
			d.cfg.Log.Warn("folder of a deleted adapter was not removed", "error", err)
		}
	}
}

// isAdapterFolder reports whether dir holds what this package puts there and
// nothing else, so that a wrong setting never costs anybody's files.
func isAdapterFolder(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return false
	}
	for _, entry := range entries {
		switch name := entry.Name(); {
		case !entry.IsDir():
			return false
		case name == workName, name == keysName, name == sessionsName, isInstanceID(name):
		default:
			return false
		}
	}
	return true
}

// removeAll removes path, read-only folders included: caches of package tools
// are full of them.
func removeAll(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	err := filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making %q removable: %w", filepath.Base(path), err)
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("removing %q: %w", filepath.Base(path), err)
	}
	return nil
}
