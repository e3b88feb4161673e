// Package pages looks at the gateway's pages with a real browser: Debian's
// Chromium, which is not asked of everybody who runs the other tests.
package pages

import (
	"context"
	"html"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestDocsShowsEveryOperation loads /docs, and finds each operation of the
// OpenAPI document on the page that its scripts have made.
func TestDocsShowsEveryOperation(t *testing.T) {
	m := harness.Start(t)
	answer := m.MustDo(http.StatusOK, http.MethodGet, "/openapi.json", "")
	document, err := openapi3.NewLoader().LoadFromData([]byte(answer.Body))
	if err != nil {
		t.Fatal(err)
	}
	page := html.UnescapeString(rendered(t, m.URL("/docs")))
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.Summary == "" || !strings.Contains(page, operation.Summary) {
				t.Errorf("%s %s: the page has no %q", method, path, operation.Summary)
			}
		}
	}
}

// rendered is the page at url as it is once its scripts have run.
func rendered(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	//nolint:gosec // The page is the test's own gateway.
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=20000", "--dump-dom", url)
	browser.WaitDelay = 5 * time.Second
	page, err := browser.Output()
	if err != nil {
		t.Fatalf("browsing: %v", err)
	}
	return string(page)
}
