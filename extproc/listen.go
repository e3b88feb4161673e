package main

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// listenAll listens for Envoy's calls, its access logs among them, and for
// operators.
func listenAll(cfg Config) (calls []net.Listener, ops net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, listener := range calls {
				err = errors.Join(err, listener.Close())
			}
		}
	}()
	socket, err := listenUnix(cfg.Socket)
	if err != nil {
		return nil, nil, err
	}
	calls = append(calls, socket)
	if cfg.LogFD > 0 {
		logs, err := inherit(cfg.LogFD)
		if err != nil {
			return calls, nil, err
		}
		calls = append(calls, logs)
	}
	ops, err = listenUnix(cfg.OpsSocket)
	return calls, ops, err
}

// inherit is a socket that listens already. Whoever opened it keeps it open, so
// that what comes while no process of this program is there waits for the next.
func inherit(fd int) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), "log-fd")
	listener, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("listening on --log-fd %d: %w", fd, err)
	}
	return listener, nil
}

// listenUnix listens on a socket that only this user may use. A socket left by
// a process that is gone is replaced; one that is in use is an error.
func listenUnix(path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("listening on %s: another process does", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing old socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("protecting socket: %w", err)
	}
	return listener, nil
}
