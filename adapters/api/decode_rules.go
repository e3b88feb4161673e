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

// affinity reads the member affinity.
func (d *specDecoder) affinity(path []string) error {
	text, err := d.word(path)
	d.spec.Affinity = adapters.Affinity(text)
	return err
}

// word reads a text for which an empty one is not the same as none.
func (d *specDecoder) word(path []string) (string, error) {
	faults := len(d.faults)
	text, err := d.text(path)
	if err == nil && text == "" && len(d.faults) == faults {
		d.fault(path, "It is empty; leave it out instead.")
	}
	return text, err
}

// limits reads the member limits of an adapter. Zero, which is no limit, is not
// the same as an absent one.
func (d *specDecoder) limits(path []string) (*adapters.TrafficLimits, error) {
	limits := &adapters.TrafficLimits{}
	fields := map[string]*int{
		"requestTimeoutSeconds":          &limits.RequestTimeoutSeconds,
		"requestBodyBytes":               &limits.RequestBodyBytes,
		"concurrentStreams":              &limits.ConcurrentStreams,
		"concurrentStreamsPerPrincipal":  &limits.ConcurrentStreamsPerPrincipal,
		"concurrentRequests":             &limits.ConcurrentRequests,
		"concurrentRequestsPerPrincipal": &limits.ConcurrentRequestsPerPrincipal,
		"requestsPerSecond":              &limits.RequestsPerSecond,
		"requestsPerSecondPerPrincipal":  &limits.RequestsPerSecondPerPrincipal,
	}
	err := d.object(path, func(within []string, name string) (err error) {
		field, known := fields[name]
		if !known {
			d.fault(within, "It is not known.")
			return d.tokens.SkipValue()
		}
		faults := len(d.faults)
		*field, err = d.integer(within)
		if err == nil && *field == 0 && len(d.faults) == faults {
			d.fault(within, "It must be at least 1; leave it out instead.")
		}
		return err
	})
	return limits, err
}

// upstreamAuth reads the member upstreamAuth of an adapter.
func (d *specDecoder) upstreamAuth(path []string) (*adapters.UpstreamAuth, error) {
	auth := &adapters.UpstreamAuth{}
	fields := map[string]*string{"secret": &auth.Secret, "header": &auth.Header, "scheme": &auth.Scheme, "audience": &auth.Audience, "resource": &auth.Resource}
	err := d.object(path, func(within []string, name string) (err error) {
		if name == "mode" {
			var text string
			text, err = d.text(within)
			auth.Mode = adapters.UpstreamMode(text)
			return err
		}
		if name == "scopes" {
			auth.Scopes, err = d.list(within)
			return err
		}
		field, known := fields[name]
		if !known {
			d.fault(within, "It is not known.")
			return d.tokens.SkipValue()
		}
		*field, err = d.word(within)
		return err
	})
	return auth, err
}

// secrets reads the member secretEnvironmentVariables of an adapter.
func (d *specDecoder) secrets(path []string) (map[string]adapters.Secret, error) {
	texts, err := d.texts(path)
	secrets := make(map[string]adapters.Secret, len(texts))
	for name, text := range texts {
		secrets[name] = adapters.Secret(text)
	}
	return secrets, err
}
