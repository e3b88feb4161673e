package observability

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// collector is one that takes every span and looks at none, so that the metrics
// of tracing are there. The certificate that it knows extproc by ends soon.
func collector(t *testing.T) harness.Option {
	t.Helper()
	dir := t.TempDir()
	mtlstest.NewAuthority(t).Write(dir, "127.0.0.1")
	certificate, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return harness.Env("OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL, "OTEL_BSP_SCHEDULE_DELAY=500",
		"OTEL_EXPORTER_OTLP_CERTIFICATE="+filepath.Join(dir, "ca.crt"), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="+certificate, "OTEL_EXPORTER_OTLP_CLIENT_KEY="+key)
}

// hostileNames calls tools that are not there, which the server answers with
// status 200: no series has their names, and real tools have theirs.
func hostileNames(t *testing.T, m *harness.Mooring, p *prometheus) {
	t.Helper()
	const hostile = 300
	session := m.Initialize("a")
	for i := range hostile {
		if _, err := session.Call(fmt.Sprintf("hostile%d", i), `{}`); err == nil {
			t.Fatal("a tool that is not there answers")
		}
	}
	session.Send(http.MethodDelete, "")
	for _, metric := range []string{"mooring_tool_requests_total", "mooring_bridge_tool_calls_total"} {
		m.Await("calls of tools that are not there are counted", 30*time.Second, func() bool {
			others := p.values("sum(" + metric + `{adapter="a",tool="other"})`)
			return len(others) == 1 && others[0] >= hostile
		})
		if names := p.values("count(" + metric + `{adapter="a",tool=~"hostile.*"})`); len(names) != 0 {
			t.Errorf("%s shows %v names that clients made up", metric, names)
		}
		if names := p.values("count(count by (tool) (" + metric + `{adapter="a",tool=~"who|echo"}))`); !slices.Equal(names, []float64{2}) {
			t.Errorf("%s shows %v of two tools", metric, names)
		}
	}
}

// nativeHistograms asks a Prometheus that takes native histograms for durations
// from every kind of part that has them: they have no buckets of their own there.
func nativeHistograms(t *testing.T, m *harness.Mooring, p *prometheus) {
	t.Helper()
	for name, selector := range map[string]string{
		"mooring_request_duration_seconds":          `{adapter="a",method="tools/call"}`,
		"mooring_bridge_tool_call_duration_seconds": `{adapter="a",tool="who"}`,
	} {
		m.Await(name+" is a native histogram", 30*time.Second, func() bool {
			counts := p.values("sum(histogram_count(" + name + selector + "))")
			return len(counts) == 1 && counts[0] >= calls
		})
		middle := p.values("histogram_quantile(0.5, sum(" + name + selector + "))")
		if len(middle) != 1 || middle[0] <= 0 || middle[0] > 5 {
			t.Errorf("the median of %s is %v", name, middle)
		}
	}
}

// deleted: the series of an adapter that is deleted go.
func deleted(t *testing.T, m *harness.Mooring, p *prometheus) {
	t.Helper()
	m.Deploy(m.TestServer("deleted", 1))
	session := m.Initialize("deleted")
	session.MustCall("who")
	const shown = `count({__name__=~"mooring_.*",adapter="deleted"})`
	m.Await("the adapter has series", 30*time.Second, func() bool {
		return len(p.values(`mooring_tool_requests_total{adapter="deleted",tool="who"}`)) == 1
	})
	m.API(http.StatusNoContent, http.MethodDelete, "/adapters/deleted", "")
	m.Await("series of a deleted adapter go", 30*time.Second, func() bool { return len(p.values(shown)) == 0 })
}

// dropLogs holds the external processor until Envoy has dropped entries of its
// log.
func dropLogs(t *testing.T, m *harness.Mooring) {
	t.Helper()
	pid := m.PID("extproc")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	var senders sync.WaitGroup
	defer senders.Wait()
	done := make(chan struct{})
	defer close(done)
	// A path that fills what Envoy sends at once: of those it holds back few.
	long := "/adapters/" + strings.Repeat("x", 16<<10) + "/mcp"
	for range 8 {
		senders.Go(func() { // what needs no external processor, and is logged to it
			for {
				select {
				case <-done:
					return
				default:
					_, _ = m.Do(http.MethodGet, long, "")
				}
			}
		})
	}
	m.Await("Envoy drops entries of its log", 30*time.Second, func() bool { return dropped(t, m) > 0 })
}

var droppedLogs = regexp.MustCompile(`(?m)^envoy_access_logs_open_telemetry_access_log_logs_dropped(?:\{\})? ([0-9]+)`)

// dropped is how many entries of its log Envoy has dropped.
func dropped(t *testing.T, m *harness.Mooring) int {
	t.Helper()
	res, err := http.Get("http://" + m.OpsListen + "/metrics/envoy")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := droppedLogs.FindSubmatch(text)
	if found == nil {
		t.Fatal("Envoy does not tell how many entries of its log it has dropped")
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fillDisk makes the external processor's audit fail, as on a full disk, until
// an event was lost.
func fillDisk(t *testing.T, m *harness.Mooring) {
	t.Helper()
	pid := m.PID("extproc")
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: unix.RLIM_INFINITY}, &before); err != nil {
		t.Fatal(err)
	}
	for range calls {
		_, _ = m.Do(http.MethodGet, "/adapters/a/mcp", "")
	}
	lost := regexp.MustCompile(`(?m)^mooring_audit_dropped_total ([1-9])`)
	m.Await("the audit lacks events", 10*time.Second, func() bool {
		res, err := http.Get("http://" + m.OpsListen + "/metrics/extproc")
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		return err == nil && lost.Match(text)
	})
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &before, nil); err != nil {
		t.Fatal(err)
	}
}
