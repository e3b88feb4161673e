package authn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gopkg.in/yaml.v3"
)

// maxConfig bounds auth.yaml, in bytes.
const maxConfig = 1 << 20

// Config is auth.yaml: whose credentials are accepted.
type Config struct {
	// Issuers are the token issuers that are trusted. Each token is judged by
	// the rules of its own issuer.
	Issuers []Issuer `yaml:"issuers"`
	// APIKeys accepts API keys beside tokens. The default is not to.
	APIKeys bool `yaml:"apiKeys"`
	// Discovery is how clients are told where to log in. Empty means
	// DiscoveryStandard.
	Discovery Discovery `yaml:"discovery"`
}

// Discovery is how clients are told where to log in.
type Discovery string

const (
	// DiscoveryStandard names the issuers themselves.
	DiscoveryStandard Discovery = "standard"
	// DiscoveryEntra names the gateway, which answers with RFC 8414 metadata
	// and hands the client on to Entra without the parameter `resource`: Entra
	// has no such metadata and refuses that parameter.
	DiscoveryEntra Discovery = "entra"
)

// AdapterAudience says what the URI of an adapter is worth as an audience.
type AdapterAudience string

const (
	// AdapterAudienceAccepted: a token for the adapter's own URI is accepted by
	// that adapter, beside tokens for Audiences.
	AdapterAudienceAccepted AdapterAudience = "accepted"
	// AdapterAudienceRequired: adapters accept nothing but tokens for their own
	// URI (RFC 8707); Audiences are for the admin API.
	AdapterAudienceRequired AdapterAudience = "required"
	// AdapterAudienceIgnored: only Audiences count.
	AdapterAudienceIgnored AdapterAudience = "ignored"
)

// Issuer is one trusted issuer and the rules for its tokens.
type Issuer struct {
	// URL is the issuer exactly as its tokens and its OpenID configuration
	// name it. Required.
	URL string `yaml:"url"`
	// Audiences are the audiences that stand for this gateway: a token needs
	// one of them. Required.
	Audiences []string `yaml:"audiences"`
	// AdapterAudience says what the URI of an adapter is worth beside
	// Audiences. Empty means AdapterAudienceAccepted.
	AdapterAudience AdapterAudience `yaml:"adapterAudience"`
	// Algorithms are the signature algorithms that are allowed. None means all
	// of RS, PS and ES with 256, 384 and 512, and EdDSA. Others are not to be
	// had.
	Algorithms []string `yaml:"algorithms"`
	// SubjectClaim leads to what names a principal for ever. Empty means sub,
	// and oid for Entra.
	SubjectClaim string `yaml:"subjectClaim"`
	// NameClaim leads to a name for people. Empty means name, else
	// preferred_username.
	NameClaim string `yaml:"nameClaim"`
	// RoleClaims lead to the principal's roles, each a list or one string: a
	// name, names separated by dots (realm_access.roles), or a JSON pointer.
	// None means roles.
	RoleClaims []string `yaml:"roleClaims"`
	// Roles are roles that every principal of this issuer has beside those of
	// its token: for issuers that know of no roles.
	Roles []string `yaml:"roles"`
	// RequiredClaims are values of which a token must have one, by the path of
	// the claim. They are a must for issuers that serve strangers too, such as
	// those of hosted CI systems.
	RequiredClaims map[string][]string `yaml:"requiredClaims"`
	// RequiredScopes are scopes that a token must have, all of them.
	RequiredScopes []string `yaml:"requiredScopes"`
	// AdvertisedScopes are what clients are told to ask for. None means
	// RequiredScopes; for Entra, each with the first api:// audience before it.
	AdvertisedScopes []string `yaml:"advertisedScopes"`
	// Advertised names the issuer to clients that look for where to log in.
	// Absent means true; false is for issuers where people cannot.
	Advertised *bool `yaml:"advertised"`
	// Entra says that this is Microsoft Entra ID: tokens of version 1 and 2
	// are accepted, and audiences with and without api://.
	Entra bool `yaml:"entra"`
	// CAFile is a PEM file of certificates to trust beside the system's. It is
	// read with auth.yaml. Empty means the system's alone.
	CAFile string `yaml:"caFile"`
	// JWKSURL is where the issuer's keys are. Empty means where its OpenID
	// configuration says.
	JWKSURL string `yaml:"jwksURL"`
	// KeyRefresh is how often its keys are fetched: at least 10s. It is the
	// longest that a key which the issuer took back is still accepted. Zero
	// means 5m.
	KeyRefresh time.Duration `yaml:"keyRefresh"`
	// TokenExchange lets adapters get tokens of their own for the issuer's users.
	// Nil means that none can.
	TokenExchange *TokenExchange `yaml:"tokenExchange"`
}

// IsAdvertised reports whether clients are told of the issuer.
func (i Issuer) IsAdvertised() bool { return i.Advertised == nil || *i.Advertised }

// LoadConfig reads auth.yaml. Its error names every fault in it.
func LoadConfig(path string) (*Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading identity settings: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("reading identity settings: %w", err)
	}
	cfg, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("reading identity settings %s: %w", path, err)
	}
	return cfg, nil
}

// ParseConfig decodes auth.yaml strictly: names that are not known, names that
// are there twice and values that are not valid are errors, all of which the
// error names.
func ParseConfig(text []byte) (*Config, error) {
	if len(text) > maxConfig {
		return nil, fmt.Errorf("it is longer than %d bytes", maxConfig)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	cfg := &Config{}
	var faults []error
	switch err := decoder.Decode(cfg); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it is empty")
	case err != nil:
		var wrong *yaml.TypeError
		if !errors.As(err, &wrong) {
			return nil, err
		}
		for _, line := range wrong.Errors {
			faults = append(faults, errors.New(line))
		}
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		faults = append(faults, errors.New("it holds more than one document"))
	}
	faults = append(faults, cfg.Validate())
	return cfg, errors.Join(faults...)
}
