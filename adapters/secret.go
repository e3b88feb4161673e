package adapters

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Secret is a value that an adapter is given and nobody is shown: wherever it is
// printed, logged or encoded, SecretMask stands in its place. Only Reveal gives
// it away.
type Secret string

// SecretMask stands for a secret. In a change it means that the one there is
// stays.
const SecretMask = "***"

// minSecret is the shortest secret: shorter ones could not be found in logs
// without hiding the half of them.
const minSecret = 4

// Reveal is the value itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (Secret) String() string { return SecretMask }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return strconv.Quote(SecretMask) }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(SecretMask)), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(SecretMask) }

// variableSecrets tells the bridge which variables hold secrets.
const variableSecrets = "MCP_SECRET_VARIABLES"

// KeepSecrets is s with the secrets of old where s has SecretMask in their
// place.
func (s Spec) KeepSecrets(old Spec) Spec {
	s.SecretEnvironmentVariables = maps.Clone(s.SecretEnvironmentVariables)
	for name, value := range s.SecretEnvironmentVariables {
		if kept, found := old.SecretEnvironmentVariables[name]; found && value == SecretMask {
			s.SecretEnvironmentVariables[name] = kept
		}
	}
	return s
}

// Secrets are the values that s must not show, by name, in memory of their own.
func (s Spec) Secrets() map[string]string {
	values := make(map[string]string, len(s.SecretEnvironmentVariables))
	for name, value := range s.SecretEnvironmentVariables {
		values[name] = value.Reveal()
	}
	return values
}

// secretEnvironment adds the secrets to env, and for the bridge their names.
func (s Spec) secretEnvironment(env map[string]string) {
	if len(s.SecretEnvironmentVariables) == 0 {
		return
	}
	maps.Copy(env, s.Secrets())
	if s.ImageName == BridgeImage {
		env[variableSecrets] = strings.Join(slices.Sorted(maps.Keys(s.SecretEnvironmentVariables)), ",")
	}
}

// unkept are the faults of masks that stand for nothing.
func (s Spec) unkept() []Fault {
	var f faultList
	for _, name := range slices.Sorted(maps.Keys(s.SecretEnvironmentVariables)) {
		if s.SecretEnvironmentVariables[name] == SecretMask {
			f.add(Pointer("secretEnvironmentVariables", name), "There is no value to keep: "+SecretMask+" stands for the one that is stored.")
		}
	}
	return f
}

// longLine reports whether a line of a secret is long enough to be found in logs.
func longLine(line string) bool {
	return utf8.RuneCountInString(strings.TrimSpace(line)) >= minSecret
}

// secrets says what is wrong with s.SecretEnvironmentVariables.
func (f *faultList) secrets(s Spec) {
	if len(s.SecretEnvironmentVariables) > maxVariables {
		f.add("/secretEnvironmentVariables", fmt.Sprintf("There are more than %d.", maxVariables))
	}
	for _, name := range slices.Sorted(maps.Keys(s.SecretEnvironmentVariables)) {
		pointer := Pointer("secretEnvironmentVariables", name)
		if !variableRule.MatchString(name) {
			f.add(pointer, "The name must be letters, digits and underscores, not beginning with a digit.")
		}
		f.length(name, maxVariable, pointer)
		value := s.SecretEnvironmentVariables[name].Reveal()
		switch size := utf8.RuneCountInString(value); {
		case value == SecretMask:
		case size < minSecret:
			f.add(pointer, fmt.Sprintf("It is shorter than %d characters, so that it could not be kept out of logs.", minSecret))
		case !slices.ContainsFunc(strings.Split(value, "\n"), longLine):
			f.add(pointer, fmt.Sprintf("All its lines are shorter than %d characters, so that it could not be kept out of logs.", minSecret))
		case !noNULRule.MatchString(value):
			f.add(pointer, "The value holds a NUL character.")
		}
		f.length(value, maxValue, pointer)
	}
}
