package jwks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// maxAnswer bounds what is read of an issuer's answer.
	maxAnswer = 1 << 20
	// maxError bounds what an issuer can put into our logs.
	maxError     = 300
	maxRedirects = 3
)

// NewClient is a client for issuers. It trusts the certificates in the PEM file
// caFile beside those of the system (empty: those of the system alone), follows
// few redirects and none away from TLS, and reads no more than 1 MiB of an
// answer.
func NewClient(caFile string) (*http.Client, error) {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: fetchTimeout,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   1,
		ForceAttemptHTTP2:     true,
	}
	if caFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("reading the system's certificates: %w", err)
		}
		text, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("reading certificates: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, errors.New("reading certificates: the file holds none in PEM form")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport: bounded{transport},
		Timeout:   fetchTimeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			return CheckURL(r.URL.String())
		},
	}, nil
}

// bounded cuts answers off at maxAnswer.
type bounded struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	return answer, nil
}

// CheckURL says what is wrong with raw as the URL of an issuer or its keys: it
// must be https. On loopback, where nobody listens in, http will do.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("it must be a URL")
	case u.User != nil || u.Fragment != "":
		return errors.New("it must have no user and no fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("it must begin with https://, or be on this machine")
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// fetch asks the issuer for its keys.
func fetch(ctx context.Context, opt Options) (*Set, error) {
	location := opt.URL
	if location == "" {
		var err error
		if location, err = discover(ctx, opt); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for keys: %w", err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := opt.Client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for keys: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking for keys: %s answered %s", location, answer.Status)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	return Parse(text)
}

// discover is where the issuer's OpenID configuration says its keys are.
func discover(ctx context.Context, opt Options) (string, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, opt.Client), opt.Issuer)
	if err != nil {
		return "", fmt.Errorf("reading the issuer's OpenID configuration: %w", shortened{err})
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return "", fmt.Errorf("reading the issuer's OpenID configuration: %w", err)
	}
	if err := CheckURL(document.Keys); err != nil {
		return "", fmt.Errorf("reading the issuer's OpenID configuration: jwks_uri %.200q: %w", document.Keys, err)
	}
	return document.Keys, nil
}

// shortened is an error whose text may hold an issuer's whole answer.
type shortened struct{ error }

// Error implements error.
func (s shortened) Error() string {
	text := s.error.Error()
	if len(text) > maxError {
		return text[:maxError] + "…"
	}
	return text
}

// Unwrap gives the whole error.
func (s shortened) Unwrap() error { return s.error }
