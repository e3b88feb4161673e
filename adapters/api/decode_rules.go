package api

import "github.com/mooring-mcp/mooring/adapters"

// toolRules reads the member toolRules of an adapter.
func (d *specDecoder) toolRules(path []string) (*adapters.ToolRules, error) {
	rules := &adapters.ToolRules{}
	return rules, d.object(path, d.of(map[string]member{
		"allow":      into(&rules.Allow, d.list),
		"deny":       into(&rules.Deny, d.list),
		"expression": into(&rules.Expression, d.text),
	}, notKnown))
}

// limits reads the member limits of an adapter.
func (d *specDecoder) limits(path []string) (*adapters.TrafficLimits, error) {
	limits := &adapters.TrafficLimits{}
	return limits, d.object(path, d.of(map[string]member{
		"requestTimeoutSeconds":          into(&limits.RequestTimeoutSeconds, d.limit),
		"requestBodyBytes":               into(&limits.RequestBodyBytes, d.limit),
		"concurrentStreams":              into(&limits.ConcurrentStreams, d.limit),
		"concurrentStreamsPerPrincipal":  into(&limits.ConcurrentStreamsPerPrincipal, d.limit),
		"concurrentRequests":             into(&limits.ConcurrentRequests, d.limit),
		"concurrentRequestsPerPrincipal": into(&limits.ConcurrentRequestsPerPrincipal, d.limit),
		"requestsPerSecond":              into(&limits.RequestsPerSecond, d.limit),
		"requestsPerSecondPerPrincipal":  into(&limits.RequestsPerSecondPerPrincipal, d.limit),
	}, notKnown))
}

// limit reads one of the limits. Zero, which is no limit, is not the same as an
// absent one.
func (d *specDecoder) limit(path []string) (int, error) {
	faults := len(d.faults)
	number, err := d.integer(path)
	if err == nil && number == 0 && len(d.faults) == faults {
		d.fault(path, "It must be at least 1; leave it out instead.")
	}
	return number, err
}

// upstreamAuth reads the member upstreamAuth of an adapter.
func (d *specDecoder) upstreamAuth(path []string) (*adapters.UpstreamAuth, error) {
	auth := &adapters.UpstreamAuth{}
	var mode string
	err := d.object(path, d.of(map[string]member{
		"mode":     into(&mode, d.text),
		"scopes":   into(&auth.Scopes, d.list),
		"secret":   word(d, &auth.Secret),
		"header":   word(d, &auth.Header),
		"scheme":   word(d, &auth.Scheme),
		"audience": word(d, &auth.Audience),
		"resource": word(d, &auth.Resource),
	}, notKnown))
	auth.Mode = adapters.UpstreamMode(mode)
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
