package main

import (
	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/policy"
)

// launchCheck judges what an adapter starts or reaches, by the operator's rules
// as they are at that moment.
func launchCheck(remotes launch.URLPolicy, allowed *policy.File) func(adapters.Spec) []adapters.Fault {
	return func(spec adapters.Spec) []adapters.Fault {
		return api.LaunchCheck(remotes.With(allowed.Current().Egress))(spec)
	}
}
