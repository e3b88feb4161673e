package bootstrap_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/envoy/bootstrap"
)

// chartFiles is where the Helm chart has its copy.
const chartFiles = "../../charts/mooring/files"

// What differs between releases, as the chart's templates replace it.
const (
	hostPlaceholder        = "@XDS_HOST@"
	connectionsPlaceholder = "@MAX_CONNECTIONS@"
	heapPlaceholder        = "@MAX_HEAP_BYTES@"
	// Numbers that stand for numbers until then, and are like no other.
	connectionsStandIn = 4_123_456_789
	heapStandIn        = 8_123_456_789_123_456_789
)

// TestGoldenChart holds the chart's files equal to what is rendered, with
// placeholders for what differs between releases.
func TestGoldenChart(t *testing.T) {
	c := read(t, "testdata/in/kubernetes.yaml")
	c.ControlPlane.Host, c.MaxConnections, c.MaxHeapBytes = hostPlaceholder, connectionsStandIn, heapStandIn
	text, err := bootstrap.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	files, err := c.ControlPlane.Secrets()
	if err != nil {
		t.Fatal(err)
	}
	files["bootstrap.yaml"] = []byte(strings.NewReplacer(
		strconv.Itoa(connectionsStandIn), connectionsPlaceholder, strconv.Itoa(heapStandIn), heapPlaceholder,
	).Replace(string(text)))
	for name, want := range map[string]int{hostPlaceholder: 7, connectionsPlaceholder: 2, heapPlaceholder: 1} {
		if got := strings.Count(string(files["bootstrap.yaml"]), name); got != want {
			t.Errorf("%s is there %d times, not %d", name, got, want)
		}
	}
	for name, text := range files {
		path := filepath.Join(chartFiles, name)
		if *update {
			if err := os.MkdirAll(chartFiles, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		there, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(there), string(text)); diff != "" {
			t.Errorf("%s: run make golden and read its diff (-there +rendered):\n%s", name, diff)
		}
	}
}
