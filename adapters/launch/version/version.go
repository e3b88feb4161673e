// Package version says which build a program is, for --version. It knows what
// the Go toolchain wrote into the program, and nothing else.
package version

import (
	"cmp"
	"runtime/debug"
)

// unknown stands where the toolchain wrote nothing, as without version control.
const unknown = "unknown"

// String is the version of the running program, with the commit that it was
// built from and the Go release: "v1.2.3 (commit 0123456789ab, go1.26.0)". Of
// a build that is no release, the toolchain makes up a version from the commit;
// "+dirty" says that the sources had changes.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	return describe(info)
}

func describe(info *debug.BuildInfo) string {
	commit := unknown
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && s.Value != "" {
			commit = s.Value[:min(12, len(s.Value))]
		}
	}
	return cmp.Or(info.Main.Version, unknown) + " (commit " + commit + ", " + cmp.Or(info.GoVersion, unknown) + ")"
}
