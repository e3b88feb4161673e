package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// TestTraffic: the status of an adapter says what came to it, and what Envoy
// answered while extproc was away is counted when it is back.
func TestTraffic(t *testing.T) {
	m := harness.Start(t)
	m.Deploy(m.TestServer("a", 1))
	a := m.Initialize("a") // and its notification
	for range 7 {
		a.MustCall("who")
	}
	a.With("unknown").Post(listTools)
	want := func(what string, enough func(adapters.Traffic) bool) {
		t.Helper()
		var last *adapters.Traffic
		defer func() {
			if t.Failed() {
				t.Logf("the last traffic: %+v", last)
			}
		}()
		m.Await(what, 20*time.Second, func() bool {
			last = m.Status("a").Traffic
			return last != nil && enough(*last)
		})
	}
	want("10 requests", func(now adapters.Traffic) bool {
		return now.Requests == 10 && now.Errors == 0 && now.Refused == 1 && now.Sessions == 1 &&
			now.WindowSeconds > 0 && now.P50Seconds != nil && now.P99Seconds != nil && *now.P50Seconds <= *now.P99Seconds
	})
	labelsAreDocumented(t, m)

	m.Kill(m.PID("extproc"))
	failed := 0
	for m.PIDNow("extproc") == 0 || failed == 0 {
		if answer, err := a.Try(http.MethodPost, listTools); err == nil && answer.Status == http.StatusServiceUnavailable {
			failed++
		}
	}
	want("what was refused meanwhile", func(now adapters.Traffic) bool { return now.Errors >= failed })
	if now := m.Status("a").Traffic; now == nil || now.Errors != failed {
		t.Errorf("%d requests were refused, and counted are %+v", failed, now)
	}
}

// metricRow is a metric in a table of the reference, with its labels.
var metricRow = regexp.MustCompile("(?m)^\\| `(mooring_[a-z_]+)` \\|([^|]*)\\|")

// documentedMetrics are the labels of each metric of the reference, joined, for
// each part that has it.
func documentedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(envoytest.ModuleRoot(t), "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string][]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(text), -1) {
		labels := strings.Fields(strings.NewReplacer("`", " ", ",", " ").Replace(row[2]))
		slices.Sort(labels)
		all := strings.Join(labels, " ")
		if slices.Contains(documented[row[1]], all) {
			t.Errorf("%s is documented twice", row[1])
		}
		documented[row[1]] = append(documented[row[1]], all)
	}
	return documented
}

// labelsAreDocumented holds the labels of all series that there are against the
// reference.
func labelsAreDocumented(t *testing.T, m *harness.Mooring) {
	t.Helper()
	documented := documentedMetrics(t)
	for _, part := range []string{"xds", "extproc", "adapters/a/0"} {
		text, err := m.Metrics(part)
		if err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for name, family := range families {
			if !strings.HasPrefix(name, "mooring_") {
				continue
			}
			var labels []string
			for _, label := range family.GetMetric()[0].GetLabel() {
				labels = append(labels, label.GetName())
			}
			slices.Sort(labels)
			if want, found := documented[name]; !found || !slices.Contains(want, strings.Join(labels, " ")) {
				t.Errorf("%s of %s has labels %v, and is documented (%v) with %q", name, part, labels, found, want)
			}
		}
	}
}

// TestMetricsAreDocumented: the reference has the metrics that the code has, and
// no others.
func TestMetricsAreDocumented(t *testing.T) {
	root, name := envoytest.ModuleRoot(t), regexp.MustCompile(`^mooring_[a-z_]+$`)
	documented, made := documentedMetrics(t), map[string]bool{}
	for _, folder := range []string{"adapters", "bridge", "extproc", "xds"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil && name.MatchString(text) {
						made[text] = true
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range made {
		if _, found := documented[name]; !found {
			t.Errorf("%s is not documented", name)
		}
	}
	for name := range documented {
		if !made[name] {
			t.Errorf("%s is documented, and nothing makes it", name)
		}
	}
}
