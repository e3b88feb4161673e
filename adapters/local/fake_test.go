package local

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

// fakeLife bounds how long a process that a failed test has lost may stay.
const fakeLife = time.Minute

// TestMain makes this binary the fake bridge, its children, and a gateway that
// can be killed, as its environment says.
func TestMain(m *testing.M) {
	switch os.Getenv("FAKE_ROLE") {
	case "bridge":
		runFakeBridge()
	case "child":
		runFakeChild()
	case "gateway":
		runFakeGateway()
	default:
		goleak.VerifyTestMain(m)
	}
}

// seen is what the fake bridge says that it was given.
type seen struct {
	Environ     []string
	Arguments   []string
	Descriptors []string
	Directory   string
}

// runFakeBridge is a bridge as far as the Deployer can tell. It does as its
// FAKE_* variables say.
func runFakeBridge() {
	time.AfterFunc(fakeLife, func() { os.Exit(9) })
	saw := seen{Environ: os.Environ(), Arguments: os.Args[1:], Descriptors: descriptors()}
	saw.Directory, _ = os.Getwd()
	if code := os.Getenv("FAKE_EXIT"); code != "" {
		fmt.Fprintln(os.Stderr, "cannot go on")
		n, _ := strconv.Atoi(code)
		os.Exit(n)
	}
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	flags := flag.NewFlagSet("bridge", flag.ExitOnError)
	listen := flags.String("listen", "", "")
	logFile := flags.String("log-file", "", "")
	stateDir := flags.String("state-dir", "", "")
	for _, name := range []string{"work-dir", "sealing-key", "sessions-dir", "lease", "drain-timeout", "deny-dial", "policy"} {
		flags.String(name, "", "")
	}
	flags.Bool("allow-loopback", false, "")
	must(flags.Parse(os.Args[1:]))
	text, err := json.Marshal(saw)
	must(err)
	must(os.WriteFile(filepath.Join(*stateDir, "seen.json"), text, 0o600))
	logged, err := os.OpenFile(*logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	fmt.Fprintln(logged, "bridge started")
	if os.Getenv("FAKE_CHILDREN") != "" {
		startFakeChild("1")
	}
	noteProcess()

	var draining atomic.Bool
	listener, err := net.Listen("unix", strings.TrimPrefix(*listen, "unix:"))
	must(err)
	go http.Serve(listener, fakeReadiness(&draining))
	for s := range signals {
		if strings.Contains(os.Getenv("FAKE_IGNORE"), s.String()) {
			continue
		}
		if s == syscall.SIGINT || draining.Swap(true) {
			fmt.Fprintln(logged, "bridge stopped")
			os.Exit(0)
		}
		go func() {
			// Its sessions last until the test says so.
			for exists(os.Getenv("FAKE_SESSIONS")) {
				time.Sleep(10 * time.Millisecond)
			}
			fmt.Fprintln(logged, "bridge drained")
			os.Exit(0)
		}()
	}
}

func fakeReadiness(draining *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		state, reason := "Ready", ""
		retries, _ := strconv.Atoi(os.Getenv("FAKE_RETRIES"))
		switch gate := os.Getenv("FAKE_GATE"); {
		case draining.Load():
			state, reason = "Draining", "Draining"
		case os.Getenv("FAKE_FAIL") != "":
			state, reason = "Failed", "CommandExited"
		case gate != "" && !exists(gate):
			state, reason = "Starting", "Starting"
		}
		json.NewEncoder(w).Encode(map[string]any{"state": state, "reason": reason, "message": os.Getenv("FAKE_FAIL"), "sessions": 0, "restarts": retries, "tools": strings.Fields(os.Getenv("FAKE_TOOLS"))})
	})
}

func descriptors() []string {
	entries, _ := os.ReadDir("/proc/self/fd")
	var found []string
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			found = append(found, target)
		}
	}
	return found
}

// startFakeChild starts a process as a bridge starts a server: in a group of its
// own, with the marker in its environment.
func startFakeChild(generation string, unset ...string) {
	environ := slices.DeleteFunc(launch.ChildEnvironment(os.Environ(), os.Getenv(launch.InstanceVariable)), func(v string) bool {
		return slices.ContainsFunc(unset, func(name string) bool { return strings.HasPrefix(v, name+"=") })
	})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(environ, "FAKE_ROLE=child", "FAKE_GENERATION="+generation)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: generation == "1", Setsid: generation == "session"}
	must(cmd.Start())
}

// runFakeChild ignores what can be ignored, and starts one process that leaves
// the session, and one that hides its environment in the group.
func runFakeChild() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if os.Getenv("FAKE_GENERATION") == "1" {
		startFakeChild("session")
		startFakeChild("hidden", launch.InstanceVariable)
	}
	noteProcess()
	time.Sleep(fakeLife)
}

// noteProcess tells the test that the process is there.
func noteProcess() {
	name := os.Getenv("FAKE_GENERATION") + "-" + strconv.Itoa(os.Getpid())
	must(os.WriteFile(filepath.Join(os.Getenv("FAKE_PIDS"), name), nil, 0o600))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(8)
	}
}
