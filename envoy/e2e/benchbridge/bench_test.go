package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestCallsAreChecked measures the echo server within this process.
func TestCallsAreChecked(t *testing.T) {
	server := newServer()
	web := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	defer web.Close()
	c := newClient(web.URL, 10)
	if err := c.initialize(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took, err := c.call(t.Context()); err != nil || took <= 0 {
		t.Errorf("a call takes %v, %v", took, err)
	}
	c.text = "needs \\u0065scaping"
	if _, err := c.call(t.Context()); err == nil {
		t.Error("a wrong answer passes")
	}
	if err := c.close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSubjectsHaveNamesOfTheirOwn(t *testing.T) {
	var names []string
	for _, sub := range subjects(Config{Others: t.TempDir()}, "self", []string{"server", "arg"}) {
		if slices.Contains(names, sub.name) {
			t.Errorf("%s is there twice", sub.name)
		}
		names = append(names, sub.name)
		argv, err := sub.argv(1, t.TempDir())
		if !errors.Is(err, os.ErrNotExist) && (err != nil || len(argv) == 0) {
			t.Errorf("%s: %q, %v", sub.name, argv, err)
		}
	}
}

func TestProcessesAreKnown(t *testing.T) {
	pid := os.Getpid()
	if !slices.Contains(processesOf(os.Getppid()), pid) || !isSelf(pid) {
		t.Error("this process is not found")
	}
	if memoryOf(pid) < 1<<20 || startOf(pid) == 0 || startOf(pid) < startOf(os.Getppid()) {
		t.Errorf("%d bytes, started at %d", memoryOf(pid), startOf(pid))
	}
}

func TestReport(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("the median is %v", got)
	}
	if got := shown(float64(1234567 * time.Nanosecond)); got != "1.23ms" {
		t.Errorf("shown as %s", got)
	}
	long := errors.New("call: status 404: {\"jsonrpc\":\"2.0\",\n\"error\":{\"message\":\"" + strings.Repeat("x", 200) + "\"}}")
	if got := brief(long); len(got) > 60 || !strings.HasPrefix(got, "call: status 404, \"xxx") {
		t.Errorf("brief is %q", got)
	}
}
