package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/audit"
	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/logging"
)

// Auditor keeps what was done and refused. *audit.Log is one.
type Auditor interface {
	// Append keeps events. Its error is for the log.
	Append(events ...audit.Event) error
	// Failing reports whether the last events were lost.
	Failing() bool
}

// unaudited refuses what would change something while the audit cannot be kept.
// The refusal has its line in the audit like others: once that can be written,
// changes are possible again.
func (a *api) unaudited(r *http.Request) *problem {
	if a.Audit == nil || !a.Audit.Failing() || isMCP(r.URL.Path) {
		return nil
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	return &problem{
		status: http.StatusServiceUnavailable,
		detail: "The audit cannot be kept, so nothing may be changed. Try again, and if it stays so, look for a full disk.",
		header: http.Header{"Retry-After": {"1"}},
	}
}

// audited reports whether the request belongs into the audit: what changes
// something, or would have, and what was refused to somebody.
func audited(r *http.Request, status int) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusMisdirectedRequest
	}
	return !isDiscovery(r.URL.Path)
}

// audit keeps the request once it is answered.
func (a *api) audit(r *http.Request, h http.Header, c *call) {
	if a.Audit == nil || !audited(r, c.status) {
		return
	}
	e := audit.Event{
		RequestID: c.id, Principal: c.who, Source: source(r.Header), Method: r.Method, Path: r.URL.Path,
		Adapter: adapterOf(r.URL.Path), Verdict: audit.Allowed, Status: c.status,
	}
	if c.status >= http.StatusBadRequest {
		e.Verdict = audit.Denied
	}
	if c.status >= http.StatusInternalServerError {
		e.Verdict = audit.Failed
	}
	if c.err != nil {
		e.Reason = problemOf(c.err).detail
	}
	if e.Verdict == audit.Allowed {
		e.Created = h.Get("Location")
		e.Changed, e.Before, e.After = difference(c.before, c.after)
	}
	if err := a.Audit.Append(e); err != nil {
		a.Log.Error("the audit cannot be kept", logging.RequestID, c.id, "error", err)
	}
}

// source is the address that Envoy had the request from: the last of the list,
// since others come from the client.
func source(h http.Header) string {
	hops := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	return strings.TrimSpace(hops[len(hops)-1])
}

// adapterOf is the name of the adapter that the path is about, or empty.
func adapterOf(path string) string {
	rest, found := strings.CutPrefix(path, "/adapters/")
	name, _, _ := strings.Cut(rest, "/")
	if !found || !adapters.ValidName(name) {
		return ""
	}
	return name
}

// difference is what changed from before to after, either of which may be
// absent, and the two without the values of variables.
func difference(before, after *adapters.Adapter) (changed []string, old, next json.RawMessage) {
	was, is := members(before), members(after)
	for _, name := range union(was, is) {
		inner, isMap := was[name].(map[string]any)
		other, isOther := is[name].(map[string]any)
		if isMap && isOther && before != nil && after != nil {
			for _, key := range union(inner, other) {
				if !reflect.DeepEqual(inner[key], other[key]) {
					changed = append(changed, adapters.Pointer(name, key))
				}
			}
		} else if before != nil && after != nil && !reflect.DeepEqual(was[name], is[name]) {
			changed = append(changed, adapters.Pointer(name))
		}
	}
	if before != nil && after != nil {
		changed = append(changed, changedSecrets(before.Spec, after.Spec)...)
	}
	return changed, redacted(was), redacted(is)
}

// changedSecrets points at the secrets that both have, with other values. They
// look the same in JSON.
func changedSecrets(before, after adapters.Spec) []string {
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(after.SecretEnvironmentVariables)) {
		was, had := before.SecretEnvironmentVariables[name]
		if had && was != after.SecretEnvironmentVariables[name] {
			changed = append(changed, adapters.Pointer("secretEnvironmentVariables", name))
		}
	}
	return changed
}

func union(a, b map[string]any) []string {
	return slices.Compact(slices.Sorted(maps.Keys(merged(a, b))))
}

func merged(a, b map[string]any) map[string]any {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]any{}
	}
	maps.Copy(both, b)
	return both
}

// members are the members of an adapter as they are in JSON. Nil has none.
func members(a *adapters.Adapter) map[string]any {
	if a == nil {
		return nil
	}
	var decoded map[string]any
	text, err := json.Marshal(a)
	if err == nil {
		err = json.Unmarshal(text, &decoded)
	}
	if err != nil {
		panic("api: an adapter is always JSON: " + err.Error())
	}
	delete(decoded, "lastUpdatedAt")
	return decoded
}

// hidden stands for the value of a variable.
const hidden = "***"

// redacted is the JSON of an adapter that shows no value of a variable but the
// name of the command: arguments and URLs may hold keys too.
func redacted(members map[string]any) json.RawMessage {
	if members == nil {
		return nil
	}
	members = maps.Clone(members)
	variables := map[string]any{}
	values, _ := members["environmentVariables"].(map[string]any)
	for name, value := range values {
		variables[name] = hidden
		if name == launch.CommandVariable {
			variables[name] = value
		}
	}
	members["environmentVariables"] = variables
	text, err := json.Marshal(members)
	if err != nil {
		panic("api: an adapter is always JSON: " + err.Error())
	}
	return text
}
