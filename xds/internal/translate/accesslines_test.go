package translate

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPageOfLines holds what the documents say of a line against its format.
func TestPageOfLines(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`\\w+`(?:, `\\w+`)*) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, key := range strings.Split(row[1], ", ") {
			got = append(got, strings.Trim(key, "`"))
		}
	}
	var want []string
	for key, value := range lineFormat(found{}).GetFields() {
		want = append(want, key)
		if strings.Contains(value.GetStringValue(), "AUTHORIZATION") || strings.HasSuffix(value.GetStringValue(), "(mooring)%") {
			t.Errorf("%s tells too much: %s", key, value)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-format +page):\n%s", diff)
	}
}
