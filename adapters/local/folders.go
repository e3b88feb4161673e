package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mooring-mcp/mooring/adapters"
)

// removeFolders removes the folders of adapters that are neither wanted nor
// have a replica any more.
func (d *Deployer) removeFolders(wanted []adapters.Adapter, rows []row) {
	keep := map[string]bool{}
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
