package launch

import (
	"fmt"
	"slices"
	"strings"
)

// The bounds of CheckEnvironment.
const (
	// MaxVariables is how many variables an adapter may have.
	MaxVariables = 512
	// MaxNameBytes is the longest name of a variable.
	MaxNameBytes = 256
	// MaxValueBytes is the longest value. Linux takes no more than 128 KiB in
	// one variable.
	MaxValueBytes = 64 << 10
	// MaxEnvironmentBytes bounds all names and values together.
	MaxEnvironmentBytes = 256 << 10
)

// Fault is what is wrong with one variable of an adapter's environment.
type Fault struct {
	// Name is the variable's name, or empty where the whole environment is at
	// fault.
	Name string
	// Message is a sentence for the user. It never shows the value.
	Message string
	// NeedsAdmin means that an administrator may set the variable all the same.
	NeedsAdmin bool
}

// CheckEnvironment returns what is wrong with env, in order of name; nothing
// when all is well. Names that the gateway sets itself are reserved. Those that
// change how a program is found, loaded or fetched need an administrator, since
// they make any allowed command run any code.
func CheckEnvironment(env map[string]string) []Fault {
	var faults []Fault
	if len(env) > MaxVariables {
		faults = append(faults, Fault{Message: fmt.Sprintf("There are more than %d environment variables.", MaxVariables)})
	}
	for name, value := range env {
		if message := brokenVariable(name, value); message != "" {
			faults = append(faults, Fault{Name: name, Message: message})
			continue
		}
		if Reserved(name) {
			faults = append(faults, Fault{Name: name, Message: "The name is reserved for the gateway."})
			continue
		}
		if loads(name) {
			faults = append(faults, Fault{
				Name:       name,
				Message:    "It changes how programs are found, loaded or fetched, so only an administrator may set it.",
				NeedsAdmin: true,
			})
		}
	}
	if Size(env) > MaxEnvironmentBytes {
		faults = append(faults, Fault{Message: fmt.Sprintf("The environment variables together are longer than %d bytes.", MaxEnvironmentBytes)})
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Name, b.Name) })
	return faults
}

// Size is the length of all names and values together, in bytes.
func Size(env map[string]string) int {
	total := 0
	for name, value := range env {
		total += len(name) + len(value)
	}
	return total
}

// brokenVariable says why no process can be given the variable, or "".
func brokenVariable(name, value string) string {
	switch {
	case len(name) > MaxNameBytes:
		return fmt.Sprintf("The name is longer than %d bytes.", MaxNameBytes)
	case !validName(name):
		return "The name must begin with a letter or underscore and hold only letters, digits and underscores."
	case strings.IndexByte(value, 0) >= 0:
		return "The value holds a NUL character."
	case len(value) > MaxValueBytes:
		return fmt.Sprintf("The value is longer than %d bytes.", MaxValueBytes)
	}
	return ""
}

func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// Reserved reports whether nobody may set the variable of that name.
func Reserved(name string) bool {
	switch name {
	case "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "MCP_LISTEN":
		return true
	}
	return strings.HasPrefix(name, reservedPrefix)
}

func loads(name string) bool {
	if _, found := slices.BinarySearch(loaderNames(), name); found {
		return true
	}
	// npm reads its settings in any case.
	if strings.HasPrefix(strings.ToLower(name), "npm_config_") {
		return true
	}
	return slices.ContainsFunc(loaderPrefixes(), func(p string) bool { return strings.HasPrefix(name, p) })
}

// loaderPrefixes begin the variables by which loaders, interpreters and package
// tools are steered.
func loaderPrefixes() []string {
	return []string{
		"BUNDLE_", "BUN_", "COMPlus_", "CORECLR_", "COREPACK_", "COR_", "DENO_", "DOTNET_ROOT", "DYLD_", "GEM_", "GIT_",
		"LD_", "LUA_", "OPENSSL_", "PERL5", "PIP_", "PNPM_", "PYTHON", "RUBY", "SSL_CERT_", "UV_", "XDG_", "YARN_",
	}
}

// loaderNames are single variables of the same kind, in order.
func loaderNames() []string {
	return []string{
		"BASHOPTS", "BASH_ENV", "CLASSPATH", "CURL_CA_BUNDLE", "DOTNET_ADDITIONAL_DEPS", "DOTNET_BUNDLE_EXTRACT_BASE_DIR",
		"DOTNET_HOST_PATH", "DOTNET_SHARED_STORE", "DOTNET_STARTUP_HOOKS", "GCONV_PATH", "GLIBC_TUNABLES",
		"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "HOME", "HOSTALIASES", "IFS", "JAVA_TOOL_OPTIONS",
		"JDK_JAVA_OPTIONS", "LOCPATH", "NLSPATH", "NODE_COMPILE_CACHE", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "NODE_PATH",
		"NODE_REPL_EXTERNAL_MODULE", "NODE_TLS_REJECT_UNAUTHORIZED", "PATH", "PERLLIB", "PHPRC", "PHP_INI_SCAN_DIR",
		"REQUESTS_CA_BUNDLE", "SHELL", "SHELLOPTS", "TMPDIR", "_JAVA_OPTIONS",
	}
}
