package authn

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// leeway is by how much the clocks of an issuer and of this machine may
	// differ.
	leeway = time.Minute
	// maxSubject bounds a subject and a name, in bytes.
	maxSubject = 512
	// maxTime is the year 9999: times beyond it overflow in places.
	maxTime = 253402300799
)

// claims are the members of a JWT's payload. encoding/json would take any case
// of a name.
type claims map[string]any

// claimPath leads to a claim, which may be within others.
type claimPath []string

// parseClaimPath reads names separated by dots, or, where the names hold dots
// themselves, a JSON pointer.
func parseClaimPath(text string) (claimPath, error) {
	pointer := strings.HasPrefix(text, "/")
	var path claimPath
	if pointer {
		path = strings.Split(text[1:], "/")
		for i, name := range path {
			path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		}
	} else {
		path = strings.Split(text, ".")
	}
	if slices.Contains(path, "") {
		return nil, errors.New("it must be a claim's name, names separated by dots, or a JSON pointer beginning with a slash")
	}
	if !pointer && strings.ContainsAny(text, ":/") {
		return nil, errors.New("it holds a colon or slash: write a claim whose name is a URL as a JSON pointer, such as /https:~1~1example.com~1roles")
	}
	return path, nil
}

// at is the value that path leads to.
func (c claims) at(path claimPath) (any, bool) {
	members := map[string]any(c)
	for i, name := range path {
		value, has := members[name]
		if !has || i == len(path)-1 {
			return value, has
		}
		if members, has = value.(map[string]any); !has {
			return nil, false
		}
	}
	return nil, false
}

// text is the string that path leads to, fit to be shown and compared.
func (c claims) text(path claimPath) (string, bool) {
	value, _ := c.at(path)
	text, isText := value.(string)
	return text, isText && text != "" && len(text) <= maxSubject && utf8.ValidString(text) && printable(text)
}

// texts are the strings that path leads to, of one string or a list of them.
// valid is false for a value of any other kind.
func (c claims) texts(path claimPath) (list []string, valid bool) {
	value, has := c.at(path)
	if !has || value == nil {
		return nil, true
	}
	switch value := value.(type) {
	case string:
		return []string{value}, true
	case []any:
		for _, element := range value {
			text, isText := element.(string)
			if !isText {
				return nil, false
			}
			list = append(list, text)
		}
		return list, true
	}
	return nil, false
}

// moment is the time (RFC 7519 NumericDate) of that name.
func (c claims) moment(name string) (at time.Time, has, valid bool) {
	value, has := c[name]
	if !has {
		return time.Time{}, false, true
	}
	seconds, isNumber := value.(float64)
	if !isNumber || seconds < 0 || seconds > maxTime {
		return time.Time{}, true, false
	}
	return time.Unix(int64(seconds), 0), true, true
}

// validity is when a token is valid.
type validity struct {
	notBefore, expires time.Time
}

// validity reads the times of a token. exp is required; a token cannot have
// been issued in the future.
func (c claims) validity() (validity, *Refusal) {
	expires, has, valid := c.moment("exp")
	if !has {
		return validity{}, refuseToken(ReasonClaims, "The token never expires, which is not accepted.")
	}
	notBefore, _, validBefore := c.moment("nbf")
	issued, _, validIssued := c.moment("iat")
	if !valid || !validBefore || !validIssued {
		return validity{}, refuseToken(ReasonClaims, "The token's times are not valid.")
	}
	if issued.After(notBefore) {
		notBefore = issued
	}
	return validity{notBefore: notBefore, expires: expires}, nil
}

// check says whether a token is valid at that time.
func (v validity) check(now time.Time) *Refusal {
	switch {
	case !now.Before(v.expires.Add(leeway)):
		return refuseToken(ReasonExpired, "The token has expired.")
	case now.Before(v.notBefore.Add(-leeway)):
		return refuseToken(ReasonNotYetValid, "The token is not valid yet.")
	}
	return nil
}

// scopes are those of the token: `scope` (RFC 9068), or `scp`, which Entra
// writes as a string and others as a list.
func (c claims) scopes() []string {
	var scopes []string
	for _, name := range []string{"scope", "scp"} {
		list, _ := c.texts(claimPath{name})
		for _, text := range list {
			scopes = append(scopes, strings.Fields(text)...)
		}
	}
	return scopes
}
