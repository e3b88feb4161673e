package main

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// listenAll listens on sockets that only this user may use.
func listenAll(paths ...string) ([]net.Listener, error) {
	var out []net.Listener
	for _, path := range paths {
		l, err := listenUnix(path)
		if err != nil {
			for _, l := range out {
				err = errors.Join(err, l.Close())
			}
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// listenUnix replaces a socket that was left by a process that is gone. One
// that is in use is an error.
func listenUnix(path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("listening on %s: another process does", path), conn.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protecting socket: %w", err), l.Close())
	}
	return l, nil
}
