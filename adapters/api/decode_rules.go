package api

import "github.com/mooring-mcp/mooring/adapters"

// toolRules reads the member toolRules of an adapter.
func (d *specDecoder) toolRules(path []string) (*adapters.ToolRules, error) {
	rules := &adapters.ToolRules{}
	err := d.object(path, func(within []string, name string) (err error) {
		switch name {
		case "allow":
			rules.Allow, err = d.list(within)
		case "deny":
			rules.Deny, err = d.list(within)
		case "expression":
			rules.Expression, err = d.text(within)
		default:
			d.fault(within, "It is not known.")
			return d.tokens.SkipValue()
		}
		return err
	})
	return rules, err
}
