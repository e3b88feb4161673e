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

// affinity reads the member affinity. An empty text is not the same as none.
func (d *specDecoder) affinity(path []string) error {
	faults := len(d.faults)
	text, err := d.text(path)
	if err == nil && text == "" && len(d.faults) == faults {
		d.fault(path, "It is empty; leave it out instead.")
	}
	d.spec.Affinity = adapters.Affinity(text)
	return err
}
