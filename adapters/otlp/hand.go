package otlp

import (
	"strings"
)

// HandedPrefix begins the names under which a gateway hands its own variables to
// the bridges of adapters. Those that an adapter sets under OTEL_ are its
// server's: a bridge of an adapter does not read them.
const HandedPrefix = "MOORING_"

const prefix = "OTEL_"

// Handed are the variables of OpenTelemetry in environ ("NAME=value" each), as
// bridges are given them: files are named from everywhere.
func Handed(environ []string) map[string]string {
	handed := map[string]string{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok && strings.HasPrefix(name, prefix) {
			handed[HandedPrefix+name] = absolute(name, value)
		}
	}
	return handed
}

// Own knows the variables that are meant for a bridge with this environment
// ("NAME=value" each): those that a gateway handed it, or where it stands alone,
// all.
func Own(environ []string, alone bool) func(name string) string {
	first := HandedPrefix
	if alone {
		first = ""
	}
	values := map[string]string{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok && strings.HasPrefix(name, first+prefix) {
			values[strings.TrimPrefix(name, first)] = value
		}
	}
	return func(name string) string { return values[name] }
}

// Secret reports whether the variable may hold credentials of the exporter, which
// no server gets from the bridge that starts it.
func Secret(name string) bool {
	return strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") &&
		(strings.HasSuffix(name, "_HEADERS") || strings.HasSuffix(name, "_CLIENT_KEY"))
}
