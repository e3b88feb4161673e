package api

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/launch"
)

// LaunchCheck is adapters.ServiceConfig.Check by the rules of package launch:
// environment names, the splitting of arguments, and remote URLs under policy.
func LaunchCheck(policy launch.URLPolicy) func(adapters.Spec) []adapters.Fault {
	return func(spec adapters.Spec) []adapters.Fault {
		faults := append(environmentFaults(spec), secretFaults(spec)...)
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
		return append(faults, headerFaults(spec)...)
	}
}

// environmentFaults names the variables that nobody may set. Those that take a
// role are the policy's.
func environmentFaults(spec adapters.Spec) []adapters.Fault {
	return variableFaults("environmentVariables", spec.EnvironmentVariables)
}

func variableFaults(member string, variables map[string]string) []adapters.Fault {
	var faults []adapters.Fault
	for _, fault := range launch.CheckEnvironment(variables) {
		if fault.NeedsAdmin {
			continue
		}
		pointer := adapters.Pointer(member)
		if fault.Name != "" {
			pointer = adapters.Pointer(member, fault.Name)
		}
		faults = append(faults, adapters.Fault{Pointer: pointer, Message: fault.Message})
	}
	return faults
}

// secretFaults names the secrets that nobody may set.
func secretFaults(spec adapters.Spec) []adapters.Fault {
	const member = "secretEnvironmentVariables"
	secrets := spec.Secrets()
	faults := variableFaults(member, secrets)
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if _, both := spec.EnvironmentVariables[name]; both {
			faults = append(faults, adapters.Fault{Pointer: adapters.Pointer(member, name), Message: "It is in environmentVariables too."})
		}
		if spec.ImageName == adapters.BridgeImage && launch.ForBridge(name) && !launch.Reserved(name) {
			faults = append(faults, adapters.Fault{
				Pointer: adapters.Pointer(member, name),
				Message: "It tells the bridge what to do, and shows where a secret must not: in lists of processes and in messages.",
			})
		}
	}
	if together := len(secrets) + len(spec.EnvironmentVariables); together > launch.MaxVariables {
		faults = append(faults, adapters.Fault{
			Pointer: adapters.Pointer(member), Message: fmt.Sprintf("Together with environmentVariables there are more than %d.", launch.MaxVariables),
		})
	}
	if launch.Size(secrets)+launch.Size(spec.EnvironmentVariables) > launch.MaxEnvironmentBytes {
		faults = append(faults, adapters.Fault{
			Pointer: adapters.Pointer(member),
			Message: fmt.Sprintf("Together with environmentVariables they are longer than %d bytes.", launch.MaxEnvironmentBytes),
		})
	}
	return faults
}

// headerFaults names what is wrong with the headers that the bridge is to add.
func headerFaults(spec adapters.Spec) []adapters.Fault {
	env := spec.ServerEnvironment()
	text, set := env[launch.ProxyHeadersVariable]
	if !set {
		return nil
	}
	pointer := adapters.Pointer("environmentVariables", launch.ProxyHeadersVariable)
	if spec.UpstreamAuth.Is(adapters.UpstreamStatic) {
		pointer = "/upstreamAuth"
		if _, twice := spec.EnvironmentVariables[launch.ProxyHeadersVariable]; twice {
			return []adapters.Fault{{Pointer: pointer, Message: "Only one of it and MCP_PROXY_HEADERS can be set."}}
		}
		if _, found := spec.SecretEnvironmentVariables[spec.UpstreamAuth.Secret]; !found {
			return []adapters.Fault{{Pointer: pointer + "/secret", Message: "There is no such name in secretEnvironmentVariables."}}
		}
	}
	headers, err := launch.ProxyHeaders(text, func(name string) (string, bool) { value, found := env[name]; return value, found })
	if err != nil {
		return []adapters.Fault{{Pointer: pointer, Message: sentence(err.Error())}}
	}
	if headers["Authorization"] != nil && spec.UseWorkloadIdentity {
		return []adapters.Fault{{Pointer: pointer, Message: "Authorization would have the token of useWorkloadIdentity instead."}}
	}
	return nil
}
