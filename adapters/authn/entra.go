package authn

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// apiScheme begins the audiences of Entra's tokens of version 1.
const apiScheme = "api://"

var guidRule = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// entraTenant is the tenant that an issuer URL of Entra names. The URLs that
// stand for many tenants are refused: their tokens come from anybody's.
func entraTenant(issuer string) (string, error) {
	wrong := errors.New("for Entra it must be https://login.microsoftonline.com/TENANT/v2.0, with the tenant's id and not its name, common or organizations")
	u, err := url.Parse(issuer)
	if err != nil {
		return "", wrong
	}
	tenant, found := strings.CutSuffix(strings.TrimPrefix(u.Path, "/"), "/v2.0")
	if !found || !guidRule.MatchString(tenant) {
		return "", wrong
	}
	return tenant, nil
}

// accepted is what the tokens of i call their issuer. For Entra, those of
// version 1, which most applications get unless their manifest says otherwise,
// name another one than those of version 2.
func (i Issuer) accepted() []string {
	names := []string{i.URL}
	if !i.Entra {
		return names
	}
	tenant, err := entraTenant(i.URL)
	if err != nil {
		return names
	}
	return append(names, entraTokenService(i.URL)+tenant+"/")
}

// entraTokenService is the issuer of version 1 in the cloud of that issuer.
func entraTokenService(issuer string) string {
	if u, err := url.Parse(issuer); err == nil && strings.HasSuffix(u.Hostname(), ".cn") {
		return "https://sts.chinacloudapi.cn/"
	}
	return "https://sts.windows.net/"
}

// acceptedAudiences are i.Audiences; for Entra, an application's id with and
// without api://, since tokens of version 1 have the one and those of version 2
// the other.
func (i Issuer) acceptedAudiences() []string {
	audiences := slices.Clone(i.Audiences)
	if !i.Entra {
		return audiences
	}
	for _, audience := range i.Audiences {
		id, prefixed := strings.CutPrefix(audience, apiScheme)
		if !guidRule.MatchString(id) {
			continue
		}
		if prefixed {
			audiences = append(audiences, id)
		} else {
			audiences = append(audiences, apiScheme+id)
		}
	}
	return audiences
}

// advertisedScopes are what clients are told to ask for. Entra wants scopes
// with the application before them; tokens have them without.
func (i Issuer) advertisedScopes() []string {
	if len(i.AdvertisedScopes) > 0 {
		return i.AdvertisedScopes
	}
	if !i.Entra {
		return i.RequiredScopes
	}
	at := slices.IndexFunc(i.acceptedAudiences(), func(a string) bool { return strings.HasPrefix(a, apiScheme) })
	if at < 0 {
		return i.RequiredScopes
	}
	application := i.acceptedAudiences()[at]
	if len(i.RequiredScopes) == 0 {
		return []string{application + "/.default"}
	}
	scopes := make([]string, len(i.RequiredScopes))
	for n, scope := range i.RequiredScopes {
		scopes[n] = application + "/" + scope
	}
	return scopes
}

// subjectPath leads to the subject. Entra's sub differs from one application to
// the next; its oid is the user's or service's own, and cannot be chosen.
func (i Issuer) subjectPath() string {
	switch {
	case i.SubjectClaim != "":
		return i.SubjectClaim
	case i.Entra:
		return "oid"
	}
	return "sub"
}

// scopesOf are the scopes of a token. One of Entra's that was given to an
// application for itself has no scopes: there its application roles count.
func (i Issuer) scopesOf(c claims) []string {
	scopes := c.scopes()
	if i.Entra && len(scopes) == 0 {
		scopes, _ = c.texts(claimPath{"roles"})
	}
	return scopes
}
