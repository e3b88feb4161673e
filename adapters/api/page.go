package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/mooring-mcp/mooring/adapters"
)

// maxPage is the most adapters that a page can have.
const maxPage = 1000

// page is which part of a list is asked for.
type page struct {
	selector selector
	// limit is the most adapters to answer. Zero means all.
	limit int
	// after is the name after which the page begins. A page is found by name and
	// not by number, so that what is created or deleted meanwhile neither hides
	// nor repeats anything.
	after string
}

func pageOf(query url.Values) (page, error) {
	var p page
	var err error
	if p.selector, err = parseSelector(query.Get("labelSelector")); err != nil {
		return p, badParameter("labelSelector", sentence(err.Error()))
	}
	if text := query.Get("limit"); text != "" {
		if p.limit, err = strconv.Atoi(text); err != nil || p.limit < 1 || p.limit > maxPage {
			return p, badParameter("limit", fmt.Sprintf("It must be between 1 and %d.", maxPage))
		}
	}
	if text := query.Get("continue"); text != "" {
		after, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || !adapters.ValidName(string(after)) {
			return p, badParameter("continue", "It must be what the link to the next page has.")
		}
		p.after = string(after)
	}
	return p, nil
}

// of is the part of all, in order of name, and whether there is more of it.
func (p page) of(all []adapters.Adapter) (part []adapters.Adapter, more bool) {
	part = slices.DeleteFunc(slices.Clone(all), func(a adapters.Adapter) bool {
		return a.Name <= p.after || !p.selector.matches(a.Labels)
	})
	if p.limit == 0 || len(part) <= p.limit {
		return part, false
	}
	return part[:p.limit], true
}

// linkNext names the page after the one that ends with the adapter of that
// name (RFC 8288).
func linkNext(h http.Header, query url.Values, last string) {
	query.Set("continue", base64.RawURLEncoding.EncodeToString([]byte(last)))
	h.Set("Link", "</adapters?"+query.Encode()+`>; rel="next"`)
}
