package api

import (
	"net/http"
	"strings"

	"github.com/mooring-mcp/mooring/adapters"
)

// entityTag is one of the tags of a condition.
type entityTag struct {
	opaque string
	weak   bool
}

// eTag is the ETag of a record at that revision.
func eTag(revision adapters.Revision) string { return `"` + string(revision) + `"` }

// condition is the value of If-Match or If-None-Match.
type condition struct {
	present, any bool
	tags         []entityTag
}

// parseCondition reads the header of that name, in all its lines.
func parseCondition(h http.Header, name string) (condition, error) {
	lines := h.Values(name)
	text := strings.TrimSpace(strings.Join(lines, ","))
	c := condition{present: len(lines) > 0, any: text == "*"}
	if !c.present || c.any {
		return c, nil
	}
	malformed := &problem{status: http.StatusBadRequest, detail: name + " must be * or a list of entity tags in quotes."}
	for text != "" {
		var tag entityTag
		text, tag.weak = strings.CutPrefix(text, "W/")
		if !strings.HasPrefix(text, `"`) {
			return condition{}, malformed
		}
		opaque, rest, closed := strings.Cut(text[1:], `"`)
		rest = strings.TrimLeft(rest, " \t")
		if !closed || rest != "" && rest[0] != ',' {
			return condition{}, malformed
		}
		tag.opaque = opaque
		c.tags = append(c.tags, tag)
		text = strings.TrimLeft(rest, ", \t")
	}
	if len(c.tags) == 0 {
		return condition{}, malformed
	}
	return c, nil
}

// matches reports whether the condition names revision. A strong comparison
// takes no weak tags.
func (c condition) matches(revision adapters.Revision, strong bool) bool {
	if c.any {
		return true
	}
	for _, tag := range c.tags {
		if tag.opaque == string(revision) && (!strong || !tag.weak) {
			return true
		}
	}
	return false
}

// precondition judges If-Match and If-None-Match of a change to a record at
// revision. Without them there is no condition.
func precondition(h http.Header, revision adapters.Revision) error {
	ifMatch, err := parseCondition(h, "If-Match")
	if err != nil {
		return err
	}
	ifNoneMatch, err := parseCondition(h, "If-None-Match")
	if err != nil {
		return err
	}
	if ifMatch.present && !ifMatch.matches(revision, true) || ifNoneMatch.present && ifNoneMatch.matches(revision, false) {
		return &problem{
			status: http.StatusPreconditionFailed,
			detail: "The adapter was changed in the meantime: it is not at the version that the condition names.",
			header: http.Header{"Etag": {eTag(revision)}},
		}
	}
	return nil
}
