package dashboards

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the pages")

const pages = "../mooring/dashboards"

// TestGolden: the chart's pages are those of this package.
func TestGolden(t *testing.T) {
	made := map[string]bool{}
	for _, d := range All() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(pages, strings.TrimPrefix(d.UID, "mooring-")+".json")
		made[path] = true
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if written, err := os.ReadFile(path); err != nil || !bytes.Equal(written, text) {
			t.Errorf("%s is not what this package makes (error %v): run make golden", path, err)
		}
	}
	found, err := filepath.Glob(filepath.Join(pages, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if made[path] {
			continue
		}
		if !*update {
			t.Errorf("%s is nobody's: run make golden", path)
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

var metric = regexp.MustCompile(`\bmooring_[a-z_]+`)

// TestMetricsExist: pages and alerts name only metrics that the reference has,
// and each of those is on a page.
func TestMetricsExist(t *testing.T) {
	reference, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, name := range regexp.MustCompile("(?m)^\\| `(mooring_[a-z_]+)`").FindAllSubmatch(reference, -1) {
		documented[string(name[1])] = false
	}
	var used strings.Builder
	for _, d := range All() {
		for _, p := range d.Panels {
			for _, q := range p.Queries {
				used.WriteString(q.Expr + "\n")
			}
		}
	}
	alerts, err := os.ReadFile("../mooring/alerts/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(alerts), "\n") {
		if _, expr, found := strings.Cut(line, "expr:"); found {
			used.WriteString(expr + "\n")
		}
	}
	for _, name := range metric.FindAllString(used.String(), -1) {
		if strings.HasPrefix(name, "mooring_internal") || strings.HasPrefix(name, "mooring_streams_started") || strings.HasPrefix(name, "mooring_streams_failed") {
			continue // Envoy's
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if _, whole := documented[name]; !whole {
				name = strings.TrimSuffix(name, suffix)
			}
		}
		if _, found := documented[name]; !found {
			t.Errorf("%s is not in the reference", name)
		}
		documented[name] = true
	}
	for _, name := range []string{"mooring_bridge_process_adoptions_total", "mooring_bridge_notifications_dropped_total"} {
		delete(documented, name) // for who looks for the cause of something
	}
	for name, shown := range documented {
		if !shown {
			t.Errorf("%s is on no page", name)
		}
	}
}

// TestAlertsHaveRunbooks: each alert points at a section of the runbooks.
func TestAlertsHaveRunbooks(t *testing.T) {
	alerts, err := os.ReadFile("../mooring/alerts/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	runbooks, err := os.ReadFile("../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(alerts), -1)
	if len(names) < 10 {
		t.Errorf("only %d alerts", len(names))
	}
	for _, name := range names {
		if !strings.Contains(string(runbooks), "\n## "+name[1]+"\n") {
			t.Errorf("no runbook for %s", name[1])
		}
		if !strings.Contains(string(alerts), "/docs/runbooks.md#"+strings.ToLower(name[1])+"\n") {
			t.Errorf("%s does not name its runbook", name[1])
		}
	}
}
