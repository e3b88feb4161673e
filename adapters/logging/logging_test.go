package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/adapters/logging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLines(t *testing.T) {
	var out bytes.Buffer
	log := logging.New(&out, "bridge", slog.LevelInfo, nil)
	if err := log.While(func() error {
		log.Info("told", logging.Adapter, "a")
		log.Debug("not told")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", out.String(), err)
	}
	for key, want := range map[string]any{"level": "INFO", "msg": "told", "part": "bridge", "adapter": "a"} {
		if line[key] != want {
			t.Errorf("%s is %v, not %v", key, line[key], want)
		}
	}
}

func TestLevelAtRunTime(t *testing.T) {
	log := logging.New(new(bytes.Buffer), "x", slog.LevelInfo, nil)
	request := func(method, body string) (int, string) {
		w := httptest.NewRecorder()
		log.ServeHTTP(w, httptest.NewRequest(method, logging.LevelPath, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for _, tt := range []struct {
		method, body string
		status       int
		level        slog.Level
	}{
		{http.MethodGet, "", 200, slog.LevelInfo},
		{http.MethodPut, "debug\n", 200, slog.LevelDebug},
		{http.MethodPut, "loud", 400, slog.LevelDebug},
		{http.MethodPut, strings.Repeat("x", 100), 400, slog.LevelDebug},
		{http.MethodPost, "info", 405, slog.LevelDebug},
		{http.MethodPut, "WARN", 200, slog.LevelWarn},
	} {
		if status, text := request(tt.method, tt.body); status != tt.status || log.Level.Level() != tt.level ||
			status == 200 && text != strings.ToLower(tt.level.String())+"\n" {
			t.Errorf("%s %q: %d %q, level %v", tt.method, tt.body, status, text, log.Level.Level())
		}
	}
}

// blocked is an output that nobody reads, until it is let go.
type blocked struct {
	free  chan struct{}
	lines chan string
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.free
	b.lines <- string(p)
	return len(p), nil
}

func TestBlockedOutputCostsNothing(t *testing.T) {
	const lines = 10_000
	out := &blocked{free: make(chan struct{}), lines: make(chan string, lines+1)}
	log := logging.New(out, "x", slog.LevelInfo, nil)
	err := log.While(func() error {
		began := time.Now()
		for range lines {
			log.Info("told")
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%d lines took %v", lines, took)
		}
		if log.Dropped() == 0 || log.Dropped() > lines {
			t.Errorf("%d lines dropped", log.Dropped())
		}
		close(out.free)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	close(out.lines)
	var told bool
	for line := range out.lines {
		told = told || strings.Contains(line, "were dropped")
	}
	if !told {
		t.Error("nothing says that lines were dropped")
	}
}
