package adapters

import (
	"regexp"
	"strings"
)

// Affinity says which requests of the modern era go to the same replica: none
// in particular, those of a principal, or those with the same value of a header
// (AffinityHeader and its name in lower case). Requests of the legacy era always
// go to the replica of their session.
type Affinity string

// The affinities.
const (
	AffinityNone      Affinity = "none"
	AffinityPrincipal Affinity = "principal"
	// AffinityHeader begins the affinity to the value of a header.
	AffinityHeader = "header:"
)

// Header is the name of the header that a is by, in lower case, or empty.
func (a Affinity) Header() string {
	name, found := strings.CutPrefix(string(a), AffinityHeader)
	if !found {
		return ""
	}
	return name
}

// The second pattern has the headers that are gone before a replica is chosen.
const (
	patternAffinity = `^(?:none|principal|header:[a-z0-9-]{1,64})$`
	patternStripped = `^header:(?:authorization|cookie|forwarded|host|mcp-session-id|origin|proxy-authorization|referer|true-client-ip|via|x-api-key|x-real-ip|(?:sec-fetch|x-dev|x-envoy|x-forwarded|x-mooring)-.*)$`
)

var (
	affinityRule = regexp.MustCompile(patternAffinity)
	strippedRule = regexp.MustCompile(patternStripped)
)

func (f *faultList) affinity(a Affinity) {
	switch {
	case a == "":
	case !affinityRule.MatchString(string(a)):
		f.add("/affinity", "It must be none, principal, or header: and the name of a header in lower case.")
	case strippedRule.MatchString(string(a)):
		f.add("/affinity", "This header does not reach the place where a replica is chosen.")
	}
}
