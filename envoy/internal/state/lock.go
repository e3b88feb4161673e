package state

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

const lockName = "mooring.lock"

const (
	// lockPatience outlasts a bridge that looks, for a moment and by a shared
	// lock, whether its launcher still lives.
	lockPatience = time.Second
	lockInterval = 20 * time.Millisecond
)

// acquire locks the file at path and writes this process's id into it.
func acquire(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if err := file.Truncate(0); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := fmt.Fprintf(file, "%d\n", os.Getpid()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func flock(file *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is in use by another mooring%s; end that one, or name another folder with --state", owner(file.Name()))
		}
		time.Sleep(lockInterval)
	}
}

// owner is " (process N)", or empty where the file does not say.
func owner(path string) string {
	text, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return ""
	}
	return " (process " + pid + ")"
}
