package envoytest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports are taken from below those that the kernel gives to connections, since
// one of them could be taken between the choice and the use.
const (
	firstPort = 20000
	lastPort  = 31999
)

// FreePort is a TCP port on 127.0.0.1 that nothing listens on, and that no
// other test of this machine is given until this one ends.
func FreePort(tb testing.TB) int {
	tb.Helper()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if reserve(tb, port) && listenable(port) {
			return port
		}
	}
	tb.Fatal("no port is free")
	return 0
}

// FreeAddress is 127.0.0.1 with a FreePort.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	return address(FreePort(tb))
}

// reserve locks a file that stands for the port until the test ends.
func reserve(tb testing.TB, port int) bool {
	tb.Helper()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("mooring-test-port-%d", port))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false // another user's
	}
	locked := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
	if !locked || !current(file, path) {
		file.Close()
		return false
	}
	tb.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			tb.Errorf("giving a port back: %v", err)
		}
		file.Close()
	})
	return true
}

// current reports whether the file is still the one at path: who held the lock
// before may have removed it meanwhile.
func current(file *os.File, path string) bool {
	ours, err := file.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Stat(path)
	return err == nil && os.SameFile(ours, theirs)
}

func listenable(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
