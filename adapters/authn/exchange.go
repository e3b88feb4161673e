package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/mooring-mcp/mooring/adapters/authn/jwks"
)

// TokenExchange is how the gateway exchanges tokens of an issuer (RFC 8693): as
// which of its clients.
type TokenExchange struct {
	// ClientID is the gateway's own client at the issuer. Required.
	ClientID string `yaml:"clientID"`
	// ClientSecretFile holds that client's secret. It is read for each exchange.
	// Required.
	ClientSecretFile string `yaml:"clientSecretFile"`
	// TokenURL is where tokens are exchanged. Empty means where the issuer's
	// OpenID configuration says.
	TokenURL string `yaml:"tokenURL"`
}

const (
	// exchangeTimeout bounds an exchange: Envoy waits for ten seconds.
	exchangeTimeout  = 5 * time.Second
	maxClientSecret  = 4 << 10
	grantExchange    = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccessToken  = "urn:ietf:params:oauth:token-type:access_token"
	defaultExchanged = time.Minute
	maxExchanged     = 16 << 10
)

// ErrNoExchange is the error for a credential that cannot be exchanged: an API
// key, or a token of an issuer for which there is no TokenExchange.
var ErrNoExchange = errors.New("the credential cannot be exchanged")

// ExchangeRefused is the error for what an issuer says no to.
type ExchangeRefused struct {
	// Code is its error code (RFC 6749, section 5.2; RFC 8693, section 2.2.2).
	Code string
}

// Error implements error.
func (e *ExchangeRefused) Error() string { return "the issuer refused the exchange: " + e.Code }

// Target is for whom a token is wanted. One of Audience and Resource is needed.
type Target struct {
	Audience, Resource string
	Scopes             []string
}

// Exchanged is a token for a Target.
type Exchanged struct {
	Token string
	// Expires is when it does, as far as the issuer says.
	Expires time.Time
}

// Exchanges reports whether tokens of any issuer can be exchanged.
func (g *Gate) Exchanges() bool {
	for _, i := range g.current.Load().issuers {
		if i.TokenExchange != nil {
			return true
		}
	}
	return false
}

// Subject is the token in h that may be exchanged, which is not verified here.
// Empty where there is none, as with API keys.
func Subject(h http.Header) string {
	token, refusal := credential(h)
	if refusal != nil || strings.HasPrefix(token, APIKeyPrefix) {
		return ""
	}
	return token
}

// Exchange asks the issuer of a verified token for one that t gets in its place.
// ErrNoExchange, an *ExchangeRefused, or another error where the issuer could
// not be asked. Errors show no token.
func (g *Gate) Exchange(ctx context.Context, from, token string, t Target) (Exchanged, error) {
	var i *issuer
	for _, known := range g.current.Load().issuers {
		if known.URL == from && known.TokenExchange != nil {
			i = known
		}
	}
	if i == nil || token == "" {
		return Exchanged{}, ErrNoExchange
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	client, err := jwks.NewClient(i.CAFile)
	if err != nil {
		return Exchanged{}, err
	}
	defer client.CloseIdleConnections()
	// Who is sent a token and a secret is who was named, and nobody else.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	request, err := i.exchangeRequest(ctx, client, token, t)
	if err != nil {
		return Exchanged{}, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return Exchanged{}, fmt.Errorf("exchanging a token: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return Exchanged{}, fmt.Errorf("exchanging a token: %w", err)
	}
	exchanged, err := readExchanged(answer.StatusCode, text, g.opt.Now())
	if err == nil && exchanged.Token == token {
		err = errors.New("exchanging a token: the issuer answered with the same")
	}
	if err != nil {
		return Exchanged{}, err
	}
	return exchanged, nil
}

func (i *issuer) exchangeRequest(ctx context.Context, client *http.Client, token string, t Target) (*http.Request, error) {
	location := i.TokenExchange.TokenURL
	if location == "" {
		var err error
		if location, err = i.tokenEndpoint(ctx, client); err != nil {
			return nil, err
		}
	}
	secret, err := readSecret(i.TokenExchange.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {grantExchange}, "subject_token": {token},
		"subject_token_type": {typeAccessToken}, "requested_token_type": {typeAccessToken},
	}
	for name, value := range map[string]string{"audience": t.Audience, "resource": t.Resource, "scope": strings.Join(t.Scopes, " ")} {
		if value != "" {
			form.Set(name, value)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, location, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("exchanging a token: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// RFC 6749, section 2.3.1: both are encoded before.
	request.SetBasicAuth(url.QueryEscape(i.TokenExchange.ClientID), url.QueryEscape(secret))
	return request, nil
}

// tokenEndpoint is where the issuer's OpenID configuration says that tokens are
// made. It is asked once.
func (i *issuer) tokenEndpoint(ctx context.Context, client *http.Client) (string, error) {
	if known := i.endpoint.Load(); known != nil {
		return *known, nil
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), i.URL)
	if err != nil {
		return "", fmt.Errorf("exchanging a token: reading the issuer's OpenID configuration: %.300s", err.Error())
	}
	location := provider.Endpoint().TokenURL
	if err := jwks.CheckURL(location); err != nil {
		return "", fmt.Errorf("exchanging a token: token_endpoint %.200q: %w", location, err)
	}
	i.endpoint.Store(&location)
	return location, nil
}

func readSecret(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("reading the client secret: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxClientSecret+1))
	secret := strings.TrimSpace(string(text))
	if err != nil || secret == "" || len(text) > maxClientSecret {
		return "", fmt.Errorf("reading the client secret: %s holds none", file)
	}
	return secret, nil
}

// readExchanged reads the answer of a token endpoint.
func readExchanged(status int, text []byte, now time.Time) (Exchanged, error) {
	var answer struct {
		Token   string  `json:"access_token"`
		Type    string  `json:"token_type"`
		Expires float64 `json:"expires_in"`
		Error   string  `json:"error"`
	}
	err := json.Unmarshal(text, &answer)
	switch {
	case status == http.StatusOK && err == nil && answer.Token != "" && len(answer.Token) <= maxExchanged &&
		visible(answer.Token) && strings.EqualFold(answer.Type, "Bearer"):
		lifetime := time.Duration(min(max(answer.Expires, 0), 1e6)) * time.Second
		if lifetime == 0 {
			lifetime = defaultExchanged
		}
		return Exchanged{Token: answer.Token, Expires: now.Add(lifetime)}, nil
	case err == nil && status >= 400 && status < 500 && callersFault(answer.Error):
		return Exchanged{}, &ExchangeRefused{Code: answer.Error}
	case err == nil && status >= 400 && answer.Error != "":
		return Exchanged{}, fmt.Errorf("exchanging a token: the issuer answered %d, %.100q", status, answer.Error)
	}
	return Exchanged{}, fmt.Errorf("exchanging a token: the issuer answered %d, and no bearer token", status)
}

// callersFault reports whether the error code says that this user cannot have
// that token, rather than that the gateway asks in a wrong way.
func callersFault(code string) bool {
	switch code {
	case "access_denied", "invalid_grant", "invalid_target", "invalid_scope":
		return true
	}
	return false
}

func visible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
