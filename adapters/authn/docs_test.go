package authn

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestReferenceNamesEverySetting compares docs/reference/auth.md with Config.
func TestReferenceNamesEverySetting(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/auth.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, settings := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Issuer]()} {
		for i := range settings.NumField() {
			if name := settings.Field(i).Tag.Get("yaml"); !strings.Contains(string(page), "| `"+name+"` |") {
				t.Errorf("the page does not have %s", name)
			}
		}
	}
}
