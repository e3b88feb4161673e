package observability

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// prometheus is a running Prometheus that scrapes a gateway.
type prometheus struct {
	t      *testing.T
	listen string
}

// observe starts the Prometheus that the environment names, with the
// configuration of the chart but for its intervals, and with that feature.
func observe(t *testing.T, m *harness.Mooring, feature string) *prometheus {
	t.Helper()
	program := os.Getenv("PROMETHEUS")
	if program == "" {
		t.Fatal("PROMETHEUS does not name the program: run make test-observability")
	}
	charts := filepath.Join(envoytest.ModuleRoot(t), "charts")
	text, err := os.ReadFile(filepath.Join(charts, "prometheus.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("127.0.0.1:9090", m.OpsListen, "mooring/alerts", charts+"/mooring/alerts",
		"interval: 5s", "interval: 1s", "interval: 15s", "interval: 1s").Replace(string(text))
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &prometheus{t: t, listen: envoytest.FreeAddress(t)}
	cmd := exec.Command(program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+p.listen, "--enable-feature="+feature, "--log.level=warn")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // that it was killed
		if t.Failed() {
			t.Logf("Prometheus says:\n%s", log.String())
		}
	})
	p.awaitReady(m)
	return p
}

func (p *prometheus) awaitReady(m *harness.Mooring) {
	p.t.Helper()
	m.Await("Prometheus is ready", 30*time.Second, func() bool {
		res, err := http.Get("http://" + p.listen + "/-/ready")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// get asks Prometheus' API.
func (p *prometheus) get(path string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.listen+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s answers %q, %v", path, text, err)
	}
	return json.Unmarshal(answer.Data, into)
}

// values are what the expression has now, but for those that are no numbers. An
// expression that cannot be evaluated fails the test.
func (p *prometheus) values(expr string) []float64 {
	p.t.Helper()
	var data struct {
		Result []struct{ Value [2]any }
	}
	if err := p.get("/api/v1/query", url.Values{"query": {expr}}, &data); err != nil {
		p.t.Fatalf("%s: %v", expr, err)
	}
	var values []float64
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return values
}

// rule is an alert as Prometheus read it.
type rule struct{ Name, Query string }

func (p *prometheus) alerts() []rule {
	p.t.Helper()
	var data struct{ Groups []struct{ Rules []rule } }
	if err := p.get("/api/v1/rules", url.Values{"type": {"alert"}}, &data); err != nil {
		p.t.Fatal(err)
	}
	var all []rule
	for _, g := range data.Groups {
		all = append(all, g.Rules...)
	}
	return all
}
