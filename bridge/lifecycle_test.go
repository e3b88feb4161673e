package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// cuttable is a transport whose connections can be cut.
type cuttable struct {
	*http.Transport

	mu    sync.Mutex
	conns []net.Conn
}

func newCuttable(dir string) *cuttable {
	c := &cuttable{Transport: dialSocket(dir)}
	dial := c.DialContext
	c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.conns = append(c.conns, conn)
		return conn, err
	}
	return c
}

func (c *cuttable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// TestLogTellsNothingOfTheMachine: whoever may use an adapter may read its log.
func TestLogTellsNothingOfTheMachine(t *testing.T) {
	environ, command := own("slow")
	b := start(t, environ, command)
	b.await("Ready")
	log, err := os.ReadFile(b.logFile)
	if err != nil {
		t.Fatal(err)
	}
	if dir := filepath.Dir(b.logFile); !strings.Contains(string(log), "bridge serves") || strings.Contains(string(log), dir) {
		t.Errorf("a log that shows %s:\n%s", dir, log)
	}
}

func TestCallSurvivesACutConnection(t *testing.T) {
	release := filepath.Join(t.TempDir(), "release")
	environ, command := own("slow")
	b := start(t, append(environ, "BRIDGE_TEST_RELEASE="+release), command)
	b.await("Ready")
	transport := newCuttable(filepath.Dir(b.logFile))
	b.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	progress := make(chan struct{}, 1)
	session := dial(t, b, &mcp.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) { progress <- struct{}{} },
	})
	go func() {
		<-progress
		transport.cut()
		if err := os.WriteFile(release, nil, 0o600); err != nil {
			t.Error(err)
		}
	}()
	params := &mcp.CallToolParams{Name: "late"}
	params.SetProgressToken("p")
	result, err := session.CallTool(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != "late" {
		t.Errorf("got %v", result.Content)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

// marked lists the processes with the variable in their environment.
func marked(t *testing.T, variable string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		// Processes end while this looks at them.
		environ, _ := os.ReadFile(file)
		if bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+variable+"\x00")) {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestKilledBridgeTakesItsServersAlong(t *testing.T) {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	instance := "test-" + filepath.Base(dir)
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{modeVariable + "=bridge", "BRIDGE_TEST_DIR=" + dir, "BRIDGE_TEST_COMMAND=" + everything, "BRIDGE_TEST_INSTANCE=" + instance}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	transport := dialSocket(dir)
	defer transport.CloseIdleConnections()
	b := &running{t: t, url: "http://bridge", client: &http.Client{Transport: transport}}
	b.await("Ready")
	for range 2 {
		if status, answer, _ := b.post("", initialize); status != 200 {
			t.Fatalf("initialize gives %d %s", status, answer)
		}
	}
	if pids := marked(t, "MOORING_INSTANCE="+instance); len(pids) != 2 {
		t.Errorf("servers are marked: %v", pids)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// This process adopted the orphans if an earlier test made it a reaper.
	for deadline := time.Now().Add(10 * time.Second); len(marked(t, "MOORING_INSTANCE="+instance)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("servers outlive the bridge")
		}
	}
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); errors.Is(err, syscall.ECHILD) {
			return
		}
	}
}
