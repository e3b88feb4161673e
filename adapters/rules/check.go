package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
)

// maxPolicy bounds requiredRoles and toolRules together, as JSON: a route
// carries them to the external processor in one header of 16 KiB, in base64.
const maxPolicy = 10 << 10

// Check returns what is wrong with the ToolRules of spec that its form does not
// show. It is made for adapters.ServiceConfig.Check.
func Check(spec adapters.Spec) []adapters.Fault {
	if spec.ToolRules == nil && len(spec.RequiredRoles) == 0 {
		return nil
	}
	var faults []adapters.Fault
	if spec.ToolRules != nil {
		if _, err := Compile(*spec.ToolRules); err != nil {
			faults = append(faults, adapters.Fault{
				Pointer: "/toolRules/expression", Message: "It is not a CEL expression that fits: " + firstLine(err.Error()) + ".",
			})
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode([]any{spec.RequiredRoles, spec.ToolRules}); err != nil || text.Len() > maxPolicy {
		pointer := "/toolRules"
		if spec.ToolRules == nil {
			pointer = "/requiredRoles"
		}
		faults = append(faults, adapters.Fault{
			Pointer: pointer, Message: fmt.Sprintf("Required roles and tool rules together are longer than %d bytes as JSON.", maxPolicy),
		})
	}
	return faults
}

// firstLine is text without the drawing of the place that CEL adds.
func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	text = strings.TrimPrefix(text, "compiling expression: ")
	return strings.TrimSuffix(strings.TrimPrefix(text, "ERROR: <input>:"), ".")
}
