package api

import (
	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

// LaunchCheck is adapters.ServiceConfig.Check by the rules of package launch:
// environment names, the splitting of arguments, and remote URLs under policy.
func LaunchCheck(policy launch.URLPolicy) func(adapters.Spec) []adapters.Fault {
	return func(spec adapters.Spec) []adapters.Fault {
		faults := environmentFaults(spec)
		if spec.ImageName != adapters.BridgeImage {
			return faults
		}
		env := spec.EnvironmentVariables
		if args, set := env["MCP_ARGS"]; set {
			if _, err := launch.SplitArgs(args); err != nil {
				faults = append(faults, adapters.Fault{
					Pointer: "/environmentVariables/MCP_ARGS", Message: sentence(err.Error()),
				})
			}
		}
		if raw, set := env["MCP_PROXY_URL"]; set {
			if err := launch.CheckURL(raw, policy); err != nil {
				faults = append(faults, adapters.Fault{
					Pointer: "/environmentVariables/MCP_PROXY_URL", Message: sentence(err.Error()),
				})
			}
		}
		return faults
	}
}

// environmentFaults names the variables that nobody may set. Those that take a
// role are the policy's.
func environmentFaults(spec adapters.Spec) []adapters.Fault {
	var faults []adapters.Fault
	for _, fault := range launch.CheckEnvironment(spec.EnvironmentVariables) {
		if fault.NeedsAdmin {
			continue
		}
		pointer := "/environmentVariables"
		if fault.Name != "" {
			pointer = adapters.Pointer("environmentVariables", fault.Name)
		}
		faults = append(faults, adapters.Fault{Pointer: pointer, Message: fault.Message})
	}
	return faults
}
