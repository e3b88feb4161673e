package adapters

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The bounds of a Spec. Lengths are in characters. schema.json says the same.
const (
	// MaxReplicaCount is the most that Limits.MaxReplicas can allow.
	MaxReplicaCount = 1000
	// DefaultMaxReplicas is what Limits.MaxReplicas means when it is zero.
	DefaultMaxReplicas = 10

	maxDescription = 4096
	maxImageName   = 255
	maxVariables   = 512
	maxVariable    = 256
	maxValue       = 65536
	maxRoles       = 64
	maxRole        = 256
	maxLabels      = 64
)

// The variables of BridgeImage that name what to run.
const (
	variableCommand   = "MCP_COMMAND"
	variableArguments = "MCP_ARGS"
	variableProxyURL  = "MCP_PROXY_URL"
)

// The patterns of schema.json. The image name is the name part of an image
// reference: an optional registry with port, then a path in lower case.
const (
	patternName     = `^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`
	patternImage    = `^(?:(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(?:\.(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$`
	patternTag      = `^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`
	patternVariable = `^[A-Za-z_][A-Za-z0-9_]*$`
	patternRole     = `^[^\x00-\x1f\x7f]+$`
	patternLabelKey = `^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$`
	patternLabelLen = `^(?:[^/]{1,253}/)?[^/]{1,63}$`
	patternLabel    = `^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`
	patternNoNUL    = `^[^\x00]*$`
)

var (
	nameRule     = regexp.MustCompile(patternName)
	imageRule    = regexp.MustCompile(patternImage)
	tagRule      = regexp.MustCompile(patternTag)
	variableRule = regexp.MustCompile(patternVariable)
	roleRule     = regexp.MustCompile(patternRole)
	labelKeyRule = regexp.MustCompile(patternLabelKey)
	labelLenRule = regexp.MustCompile(patternLabelLen)
	labelRule    = regexp.MustCompile(patternLabel)
	noNULRule    = regexp.MustCompile(patternNoNUL)
)

// ValidName reports whether an adapter can have the name.
func ValidName(name string) bool { return nameRule.MatchString(name) }

// Limits are the operator's bounds on adapters.
type Limits struct {
	// MaxReplicas is the largest replicaCount. Zero means DefaultMaxReplicas;
	// more than MaxReplicaCount means that.
	MaxReplicas int
}

func (l Limits) maxReplicas() int {
	if l.MaxReplicas <= 0 {
		return DefaultMaxReplicas
	}
	return min(l.MaxReplicas, MaxReplicaCount)
}

// Validate returns everything that is wrong with the form of s, in a fixed
// order. What a command, its environment or a URL may be is judged elsewhere:
// see ServiceConfig.Check.
func (s Spec) Validate(limits Limits) []Fault {
	var f faultList
	f.text(s.Name, nameRule, "/name", "It must be 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends.")
	f.text(s.ImageName, imageRule, "/imageName", "It must be the name of an image without tag or digest, such as mcp-proxy or registry.example/team/server.")
	f.length(s.ImageName, maxImageName, "/imageName")
	f.text(s.ImageVersion, tagRule, "/imageVersion", "It must be an image tag: up to 128 letters, digits, underscores, dots and hyphens, not beginning with a dot or hyphen.")
	f.environment(s.EnvironmentVariables)
	f.secrets(s)
	if s.ImageName == BridgeImage {
		f.bridge(s.EnvironmentVariables)
	}
	if s.ReplicaCount < 0 || s.ReplicaCount > limits.maxReplicas() {
		f.add("/replicaCount", "It must be between 0 and "+strconv.Itoa(limits.maxReplicas())+".")
	}
	f.length(s.Description, maxDescription, "/description")
	f.roles(s.RequiredRoles)
	f.labels(s.Labels)
	f.toolRules(s.ToolRules)
	f.affinity(s.Affinity)
	f.trafficLimits(s.Limits)
	f.bridgeSettings(s)
	f.inspection(s)
	f.upstreamAuth(s)
	return f
}

type faultList []Fault

func (f *faultList) add(pointer, message string) {
	*f = append(*f, Fault{Pointer: pointer, Message: message})
}

func (f *faultList) text(value string, rule *regexp.Regexp, pointer, message string) {
	switch {
	case value == "":
		f.add(pointer, "It is required.")
	case !rule.MatchString(value):
		f.add(pointer, message)
	}
}

func (f *faultList) length(value string, most int, pointer string) {
	if utf8.RuneCountInString(value) > most {
		f.add(pointer, fmt.Sprintf("It is longer than %d characters.", most))
	}
}

func (f *faultList) environment(env map[string]string) {
	if len(env) > maxVariables {
		f.add("/environmentVariables", fmt.Sprintf("There are more than %d.", maxVariables))
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		pointer := Pointer("environmentVariables", name)
		switch {
		case !variableRule.MatchString(name):
			f.add(pointer, "The name must begin with a letter or underscore and hold only letters, digits and underscores.")
		case len(name) > maxVariable:
			f.add(pointer, fmt.Sprintf("The name is longer than %d characters.", maxVariable))
		case !noNULRule.MatchString(env[name]):
			f.add(pointer, "The value holds a NUL character.")
		default:
			f.length(env[name], maxValue, pointer)
		}
	}
}

// bridge says what is wrong with the variables that tell the bridge what to
// run: exactly one of a command, with its arguments, and a URL.
func (f *faultList) bridge(env map[string]string) {
	_, hasCommand := env[variableCommand]
	_, hasURL := env[variableProxyURL]
	switch {
	case hasCommand && hasURL:
		f.add("/environmentVariables", "Only one of MCP_COMMAND and MCP_PROXY_URL can be set.")
	case !hasCommand && !hasURL:
		f.add("/environmentVariables", "The image "+BridgeImage+" needs MCP_COMMAND, the command to run, or MCP_PROXY_URL, the server to proxy.")
	}
	for _, name := range []string{variableCommand, variableProxyURL} {
		if value, has := env[name]; has && value == "" {
			f.add(Pointer("environmentVariables", name), "It is empty.")
		}
	}
	if _, has := env[variableArguments]; has && !hasCommand {
		f.add(Pointer("environmentVariables", variableArguments), "It is only for use with MCP_COMMAND.")
	}
}

func (f *faultList) roles(roles []string) {
	if len(roles) > maxRoles {
		f.add("/requiredRoles", fmt.Sprintf("There are more than %d.", maxRoles))
	}
	for i, role := range roles {
		pointer := Pointer("requiredRoles", strconv.Itoa(i))
		switch {
		case !roleRule.MatchString(role):
			f.add(pointer, "It must be a text without control characters, and not empty.")
		case slices.Contains(roles[:i], role):
			f.add(pointer, "It repeats an earlier role.")
		default:
			f.length(role, maxRole, pointer)
		}
	}
}

func (f *faultList) labels(labels map[string]string) {
	if len(labels) > maxLabels {
		f.add("/labels", fmt.Sprintf("There are more than %d.", maxLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pointer := Pointer("labels", key)
		switch {
		case !labelKeyRule.MatchString(key) || !labelLenRule.MatchString(key):
			f.add(pointer, "The key must be up to 63 letters, digits, hyphens, underscores and dots, with a letter or digit at both ends; a DNS name and a slash may stand before it.")
		case !labelRule.MatchString(labels[key]):
			f.add(pointer, "The value must be empty, or up to 63 letters, digits, hyphens, underscores and dots, with a letter or digit at both ends.")
		}
	}
}
