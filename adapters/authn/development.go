package authn

import (
	"context"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mooring-mcp/mooring/adapters"
)

// The headers of development mode. Each may be sent once.
const (
	// HeaderDevUser is the user's id; DefaultDevUser where it is absent.
	HeaderDevUser = "X-Dev-Userid"
	// HeaderDevName is the user's name, for people.
	HeaderDevName = "X-Dev-Name"
	// HeaderDevRoles are the roles, separated by commas; adapters.AdminRole
	// where the header is absent, none where it is empty.
	HeaderDevRoles = "X-Dev-Roles"
)

// DefaultDevUser is who a request without HeaderDevUser comes from.
const DefaultDevUser = "dev"

// HeaderDevPrefix begins every header of development mode, in lower case: what
// no server behind the gateway may see.
const HeaderDevPrefix = "x-dev-"

const (
	maxDevName  = 256
	maxDevRoles = 4096
)

// Development believes whatever the X-Dev-* headers say. It is for one
// machine, on loopback, and for nothing else. The zero value is ready for use.
type Development struct{}

// Authenticate implements Authenticator. It refuses only headers that are sent
// twice, too long, or hold control characters.
func (Development) Authenticate(_ context.Context, h http.Header) (adapters.Principal, error) {
	user, sent, err := devHeader(h, HeaderDevUser, maxDevName)
	if err != nil {
		return adapters.Principal{}, err
	}
	if !sent {
		user = DefaultDevUser
	}
	if user == "" {
		return adapters.Principal{}, devRefusal(ReasonMalformed, HeaderDevUser+" is empty.")
	}
	name, _, err := devHeader(h, HeaderDevName, maxDevName)
	if err != nil {
		return adapters.Principal{}, err
	}
	list, sent, err := devHeader(h, HeaderDevRoles, maxDevRoles)
	if err != nil {
		return adapters.Principal{}, err
	}
	roles := []string{adapters.AdminRole}
	if sent {
		roles = splitRoles(list)
	}
	return adapters.Principal{Subject: user, Name: name, Roles: roles}, nil
}

// devHeader is the one value of the header of that name, and whether it was
// sent at all.
func devHeader(h http.Header, name string, limit int) (value string, sent bool, err error) {
	values := h[name]
	switch {
	case len(values) == 0:
		return "", false, nil
	case len(values) > 1:
		return "", true, devRefusal(ReasonRepeated, name+" is sent more than once.")
	case len(values[0]) > limit:
		return "", true, devRefusal(ReasonMalformed, name+" is too long.")
	case !printable(values[0]):
		return "", true, devRefusal(ReasonMalformed, name+" holds characters that are not printable UTF-8.")
	}
	return strings.TrimSpace(values[0]), true, nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func splitRoles(list string) []string {
	var roles []string
	for role := range strings.SplitSeq(list, ",") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return roles
}

func devRefusal(reason Reason, message string) *Refusal {
	return &Refusal{Reason: reason, Message: message, Scheme: "Development"}
}
