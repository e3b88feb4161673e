package version

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	revision := func(value string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: value}}
	}
	for want, info := range map[string]*debug.BuildInfo{
		"v1.2.3 (commit 0123456789ab, go1.26.0)": {
			GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}, Settings: revision("0123456789abcdef"),
		},
		"(devel) (commit 01, go1.26.0)":     {GoVersion: "go1.26.0", Main: debug.Module{Version: "(devel)"}, Settings: revision("01")},
		"unknown (commit unknown, unknown)": {},
	} {
		if got := describe(info); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestString(t *testing.T) {
	if got := String(); !strings.Contains(got, runtime.Version()) {
		t.Errorf("%q does not name %s", got, runtime.Version())
	}
}
