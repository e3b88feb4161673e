package bearer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// defaultAuthority is where the public cloud gives tokens.
	defaultAuthority = "https://login.microsoftonline.com/"
	// askTimeout bounds one request for a token.
	askTimeout = 15 * time.Second
	// maxAnswer bounds its answer in bytes.
	maxAnswer = 256 << 10
	// early is how long before its end a token is replaced, unless it lasts less
	// than twice as long.
	early = 5 * time.Minute
	// again is how long after a failure a token that still lasts is used before
	// another is asked for.
	again = 30 * time.Second
)

// AzureConfig says who asks for tokens, and for what. The first four are what
// Azure's workload-identity webhook puts into the environment.
type AzureConfig struct {
	// ClientID and TenantID name the identity. Required.
	ClientID, TenantID string
	// TokenFile is the file with the cluster's own token. Required.
	TokenFile string
	// AuthorityHost is the https URL of who gives tokens. Empty means the public
	// cloud's.
	AuthorityHost string
	// Scope is what the token is for, such as https://server.example/.default.
	// Required.
	Scope string
	// TLS is used for requests. Nil means the system's roots.
	TLS *tls.Config
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// AzureFromEnvironment reads what the webhook has put into the environment.
func AzureFromEnvironment(environ []string) AzureConfig {
	var cfg AzureConfig
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case "AZURE_CLIENT_ID":
			cfg.ClientID = value
		case "AZURE_TENANT_ID":
			cfg.TenantID = value
		case "AZURE_FEDERATED_TOKEN_FILE":
			cfg.TokenFile = value
		case "AZURE_AUTHORITY_HOST":
			cfg.AuthorityHost = value
		}
	}
	return cfg
}

// Azure exchanges the cluster's token of this workload for one of Entra ID: the
// client-credentials grant with a JWT as client assertion (RFC 7523, 2.2).
type Azure struct {
	cfg       AzureConfig
	endpoint  string
	client    *http.Client
	assertion *File
	busy      chan struct{} // holds one while a token is asked for or looked up

	token   string
	expires time.Time
	renew   time.Time // when to ask for another
}

// NewAzure returns the source, or says which settings are missing. It asks for
// nothing yet.
func NewAzure(cfg AzureConfig) (*Azure, error) {
	var faults []error
	for name, value := range map[string]string{
		"AZURE_CLIENT_ID": cfg.ClientID, "AZURE_TENANT_ID": cfg.TenantID, "AZURE_FEDERATED_TOKEN_FILE": cfg.TokenFile, "the scope": cfg.Scope,
	} {
		if value == "" {
			faults = append(faults, fmt.Errorf("%s is missing", name))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.AuthorityHost == "" {
		cfg.AuthorityHost = defaultAuthority
	}
	authority, err := url.Parse(cfg.AuthorityHost)
	if err != nil || authority.Scheme != "https" || authority.Host == "" {
		return nil, errors.New("AZURE_AUTHORITY_HOST is no https URL")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Azure{
		cfg: cfg, endpoint: authority.JoinPath(cfg.TenantID, "oauth2/v2.0/token").String(),
		assertion: NewFile(cfg.TokenFile), busy: make(chan struct{}, 1),
		client: &http.Client{
			// A token is asked for once in a while, so no connection is kept.
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS, DisableKeepAlives: true, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Token implements Source. Who comes while a token is asked for waits for that
// one.
func (a *Azure) Token(ctx context.Context) (string, error) {
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	now := a.cfg.Now()
	if a.token != "" && now.Before(a.renew) {
		return a.token, nil
	}
	token, lasts, err := a.ask(ctx)
	switch {
	case err == nil:
		a.token, a.expires = token, now.Add(lasts)
		a.renew = a.expires.Add(-min(early, lasts/2))
	case a.token != "" && now.Before(a.expires):
		// The old one is good until its end.
		a.renew = now.Add(again)
	default:
		return "", err
	}
	return a.token, nil
}

// Refused implements Source.
func (a *Azure) Refused(token string) bool {
	a.busy <- struct{}{}
	defer func() { <-a.busy }()
	if a.token == token {
		a.token = ""
	}
	return true
}

// answer is what the authorization server says (RFC 6749, 5).
type answer struct {
	Token     string      `json:"access_token"`
	Type      string      `json:"token_type"`
	ExpiresIn json.Number `json:"expires_in"` // some write it as a string
	Error     string      `json:"error"`
}

func (a *Azure) ask(ctx context.Context) (token string, lasts time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	assertion, err := a.assertion.Token(ctx)
	if err != nil {
		return "", 0, err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {a.cfg.ClientID}, "scope": {a.cfg.Scope},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, fmt.Errorf("asking for a token: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return "", 0, fmt.Errorf("asking for a token: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", 0, fmt.Errorf("asking for a token: %w", err)
	}
	return readAnswer(resp.StatusCode, text)
}

// readAnswer takes the token out of the answer. Errors have the code of the
// authorization server and no more: descriptions name people and machines.
func readAnswer(status int, text []byte) (token string, lasts time.Duration, err error) {
	var got answer
	if err := json.Unmarshal(text, &got); err != nil {
		return "", 0, fmt.Errorf("asking for a token: status %d without JSON that can be read", status)
	}
	if status != http.StatusOK || got.Error != "" {
		return "", 0, fmt.Errorf("asking for a token: status %d, error %.64q", status, got.Error)
	}
	seconds, err := got.ExpiresIn.Int64()
	if err != nil || seconds <= 0 || seconds > 7*24*3600 || !strings.EqualFold(got.Type, "bearer") {
		return "", 0, errors.New("asking for a token: the answer is none of RFC 6749")
	}
	if token, err = checkToken(got.Token); err != nil {
		return "", 0, fmt.Errorf("asking for a token: %w", err)
	}
	return token, time.Duration(seconds) * time.Second, nil
}
