package policy

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

// TestReferenceNamesEverySetting compares docs/reference/policy.md with the
// settings, and takes its example.
func TestReferenceNamesEverySetting(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, settings := range []reflect.Type{reflect.TypeFor[Settings](), reflect.TypeFor[Roles](), reflect.TypeFor[launch.Egress]()} {
		for i := range settings.NumField() {
			if name := settings.Field(i).Tag.Get("yaml"); !strings.Contains(string(page), "| `"+name+"` |") {
				t.Errorf("the page does not have %s", name)
			}
		}
	}
	if want := "`[" + strings.Join(DefaultCommands(), ", ") + "]`"; !strings.Contains(string(page), want) {
		t.Errorf("the page does not have the default %s", want)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if s := parsed(t, example); s.MaxReplicas != 4 {
		t.Errorf("the example: %+v", s)
	}
}
