package api

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// binaries is the folder of etcd and kube-apiserver: LAB_BIN, or where the lab's
// build puts them.
func binaries() (string, error) {
	dir := os.Getenv("LAB_BIN")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding the lab's programs: %w", err)
		}
		dir = filepath.Join(cache, "mooring-lab")
	}
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("%s is not in %s: build it with `make kube-lab` (once), or name another folder by LAB_BIN", name, dir)
		} else if err != nil {
			return "", fmt.Errorf("finding the lab's programs: %w", err)
		}
	}
	return dir, nil
}
