// Package policy holds what the operator of a gateway allows adapters to be,
// and which roles lift a rule. It knows nothing of HTTP, and of principals only
// their roles.
package policy

import (
	"path"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

// Any, in a list of commands or images, stands for all.
const Any = "*"

// Settings are policy.yaml. The zero value is the default.
type Settings struct {
	// Commands are the values of MCP_COMMAND that everybody may use who may
	// create adapters, each exactly as it is written there. Absent means
	// DefaultCommands; an empty list means none, and Any means all. Whoever may
	// use one of these may run any program by it: the list keeps adapters
	// uniform, and roles and isolation are what protects.
	Commands *[]string `yaml:"commands"`
	// Images are the images that everybody may use who may create adapters,
	// beside the bridge itself: each the name without tag, or all below a path
	// ("registry.example/team/*"), or Any. None means none.
	Images []string `yaml:"images"`
	// Egress is where remote servers may be.
	Egress launch.Egress `yaml:"egress"`
	// Roles lift rules.
	Roles Roles `yaml:"roles"`
	// MaxReplicas is the largest replicaCount. Zero means
	// adapters.DefaultMaxReplicas.
	MaxReplicas int `yaml:"maxReplicas"`
}

// Roles are roles whose holders may do what otherwise only administrators may.
// An empty one means administrators only.
type Roles struct {
	// Commands lifts Settings.Commands.
	Commands string `yaml:"commands"`
	// Images lifts Settings.Images.
	Images string `yaml:"images"`
	// LoaderVariables may set variables that change how programs are found,
	// loaded or fetched.
	LoaderVariables string `yaml:"loaderVariables"`
	// WorkloadIdentity may set useWorkloadIdentity.
	WorkloadIdentity string `yaml:"workloadIdentity"`
	// APIKeys may make API keys of roles that they hold themselves, and see and
	// revoke those.
	APIKeys string `yaml:"apiKeys"`
}

// DefaultCommands are programs that fetch and run a published package.
func DefaultCommands() []string { return []string{"bunx", "dnx", "npx", "pipx", "uvx"} }

// Demand is something that an adapter asks for and that takes a role.
type Demand struct {
	// Pointer is a JSON pointer to what asks.
	Pointer string
	// Message is a sentence for the user.
	Message string
	// Role is what lifts the rule beside adapters.AdminRole. Empty means that
	// nothing does.
	Role string
	// variable is the environment variable that it is about and that takes the
	// role whatever runs, or empty.
	variable string
}

// Met reports whether p may have what d is about.
func (d Demand) Met(p adapters.Principal) bool {
	return p.ID() != "" && (p.Has(adapters.AdminRole) || d.Role != "" && p.Has(d.Role))
}

// Needs is what it takes beside Role to meet d, in words.
func (d Demand) Needs() string {
	if d.Role == "" {
		return adapters.AdminRole
	}
	return adapters.AdminRole + " or " + d.Role
}

// Demands returns all that spec asks for and that takes a role, in a fixed
// order.
func (s Settings) Demands(spec adapters.Spec) []Demand {
	var demands []Demand
	command, stdio := spec.EnvironmentVariables[launch.CommandVariable]
	switch {
	case spec.ImageName != adapters.BridgeImage:
		if !s.allowsImage(spec.ImageName) {
			demands = append(demands, Demand{"/imageName", "It is not among the images that the operator allows.", s.Roles.Images, ""})
		}
	case stdio && !s.allowsCommand(command):
		demands = append(demands, Demand{
			adapters.Pointer("environmentVariables", launch.CommandVariable),
			"It is not among the commands that the operator allows.", s.Roles.Commands, "",
		})
	}
	demands = append(demands, s.loaders("environmentVariables", spec.EnvironmentVariables)...)
	demands = append(demands, s.loaders("secretEnvironmentVariables", spec.Secrets())...)
	if spec.UseWorkloadIdentity {
		demands = append(demands, Demand{"/useWorkloadIdentity", "It lends the workload's cloud identity.", s.Roles.WorkloadIdentity, ""})
	}
	return demands
}

// loaders are the demands of variables, which are in that member of a Spec.
func (s Settings) loaders(member string, variables map[string]string) []Demand {
	var demands []Demand
	for _, fault := range launch.CheckEnvironment(variables) {
		if fault.NeedsAdmin {
			demands = append(demands, Demand{adapters.Pointer(member, fault.Name), fault.Message, s.Roles.LoaderVariables, fault.Name})
		}
	}
	return demands
}

// DemandsOfChange returns those of Demands(next) that were not granted already,
// to whoever wrote old. A variable is granted with its value. A command, an
// image and the workload's identity are granted to what runs: somebody else may
// change what does not start a new process, but not put other arguments or
// another program in the place of what was trusted.
func (s Settings) DemandsOfChange(old, next adapters.Spec) []Demand {
	same := old.TemplateHash() == next.TemplateHash()
	before, after := old.ServerEnvironment(), next.ServerEnvironment()
	return slices.DeleteFunc(s.Demands(next), func(d Demand) bool {
		was, set := before[d.variable]
		return same || d.variable != "" && set && was == after[d.variable]
	})
}

func (s Settings) allowsCommand(command string) bool {
	commands := DefaultCommands()
	if s.Commands != nil {
		commands = *s.Commands
	}
	return slices.Contains(commands, Any) || slices.Contains(commands, command)
}

func (s Settings) allowsImage(image string) bool {
	return slices.ContainsFunc(s.Images, func(allowed string) bool {
		below, wild := strings.CutSuffix(allowed, Any)
		return allowed == image || wild && strings.HasPrefix(image, below) && path.Clean(image) == image
	})
}
