package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestDocsPageIsWhole fetches all that the page names, as a browser would.
func TestDocsPageIsWhole(t *testing.T) {
	f := newFixture(t)
	page := f.must(t, http.StatusOK, "", http.MethodGet, "/docs", "")
	if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
		t.Errorf("content type %q", page.header.Get("Content-Type"))
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") {
		t.Errorf("content security policy %q", policy)
	}
	named := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1)
	if len(named) < 5 {
		t.Fatalf("the page names %d files:\n%s", len(named), page.body)
	}
	for _, file := range named {
		if got := f.must(t, http.StatusOK, "", http.MethodGet, file[1], ""); got.body == "" {
			t.Errorf("%s is empty", file[1])
		}
	}
	f.must(t, http.StatusNotFound, "", http.MethodGet, "/docs/oauth2-redirect.html", "")
	f.must(t, http.StatusNotFound, "", http.MethodGet, "/docs/", "")
	f.must(t, http.StatusMethodNotAllowed, "", http.MethodPost, "/docs/start.js", "")
}
