package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn/jwks"
)

// APIKeyPrefix begins every API key and no JWT, so that the two are told apart
// at once, and so that scanners for secrets recognise a key that got lost.
const APIKeyPrefix = "mk_"

// KeyChecker judges API keys. It is safe for use by several goroutines.
type KeyChecker interface {
	// CheckKey returns the principal that the key stands for. Its error is a
	// *Refusal where the key is at fault, and any other error where it could
	// not be judged.
	CheckKey(key string) (adapters.Principal, error)
}

// Options are what a Gate works with.
type Options struct {
	// File is auth.yaml. Required.
	File string
	// PublicURL is what the world calls the gateway. Required.
	PublicURL string
	// Keys judges API keys where auth.yaml turns them on. Nil means that there
	// are none.
	Keys KeyChecker
	// Log is told of new settings and keys, never of credentials. Required.
	Log *slog.Logger
	// Now is the clock that tokens are judged by. Nil means time.Now.
	Now func() time.Time
}

// Gate judges the credentials of requests by auth.yaml: bearer tokens of the
// issuers there, and API keys. It is an Authenticator for the gateway itself;
// ForAdapter gives those of adapters. It is safe for use by several goroutines.
type Gate struct {
	opt     Options
	address Address
	current atomic.Pointer[settings]
	changes adapters.Notifier
	// login hands token requests on to Entra.
	login *http.Client
}

// settings is what one reading of auth.yaml came to. It is immutable but for
// what its parts guard themselves.
type settings struct {
	text     string
	config   *Config
	issuers  []*issuer
	verifier *verifier
	scopes   []string
}

// Open reads auth.yaml. Tokens can be judged once Run has fetched the issuers'
// keys; that an issuer cannot be reached is no error.
func Open(opt Options) (*Gate, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	address, err := ParseAddress(opt.PublicURL)
	if err != nil {
		return nil, err
	}
	login, err := jwks.NewClient("")
	if err != nil {
		return nil, err
	}
	// A token request is for whom it was sent to, and for nobody else.
	login.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	g := &Gate{opt: opt, address: address, login: login}
	first, err := g.read(nil)
	if err != nil {
		return nil, err
	}
	g.current.Store(first)
	return g, nil
}

// ForAdapter is the Authenticator for the adapter of that name, which must be a
// valid one: a itself where it judges all adapters alike. Any a may be given.
func ForAdapter(a Authenticator, name string) Authenticator {
	if perAdapter, is := a.(interface{ ForAdapter(string) Authenticator }); is {
		return perAdapter.ForAdapter(name)
	}
	return a
}

// Authenticate implements Authenticator for the gateway itself: its API.
func (g *Gate) Authenticate(ctx context.Context, h http.Header) (adapters.Principal, error) {
	return g.authenticate(ctx, h, g.address.Resource(""))
}

// ForAdapter is the Authenticator for the adapter of that name: it accepts
// tokens that are meant for this adapter alone, and names it in challenges.
func (g *Gate) ForAdapter(name string) Authenticator {
	return forAdapter{g, g.address.Resource(name)}
}

type forAdapter struct {
	gate     *Gate
	resource Resource
}

// Authenticate implements Authenticator.
func (a forAdapter) Authenticate(ctx context.Context, h http.Header) (adapters.Principal, error) {
	return a.gate.authenticate(ctx, h, a.resource)
}

func (g *Gate) authenticate(ctx context.Context, h http.Header, r Resource) (adapters.Principal, error) {
	current := g.current.Load()
	p, err := g.judge(ctx, current, h, r)
	if err == nil {
		return p, nil
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return adapters.Principal{}, current.complete(refusal, r)
	}
	return adapters.Principal{}, err
}

func (g *Gate) judge(ctx context.Context, s *settings, h http.Header, r Resource) (adapters.Principal, error) {
	token, refusal := credential(h)
	if refusal != nil {
		return adapters.Principal{}, refusal
	}
	if !strings.HasPrefix(token, APIKeyPrefix) {
		return s.verifier.verify(ctx, token, r)
	}
	if g.opt.Keys == nil || !s.config.APIKeys {
		return adapters.Principal{}, refuseToken(ReasonAPIKey, "API keys are not accepted.")
	}
	return g.opt.Keys.CheckKey(token)
}

// complete is the refusal with what a client needs to come back with a better
// token for r.
func (s *settings) complete(refusal *Refusal, r Resource) *Refusal {
	whole := *refusal
	if whole.Scheme == schemeBearer {
		whole.ResourceMetadata = r.Metadata
		if whole.Scopes == nil {
			whole.Scopes = s.scopes
		}
	}
	return &whole
}

// InsufficientScope is the refusal (403) for a principal that may not use the
// adapter of that name, or the gateway for an empty one, as long as its token
// lacks scopes. No scopes means those of auth.yaml.
func (g *Gate) InsufficientScope(adapter string, scopes ...string) *Refusal {
	return g.current.Load().complete(insufficientScope(scopes), g.address.Resource(adapter))
}

// TrustedIssuer is an issuer and its keys, for whoever verifies its tokens
// elsewhere by the same rules.
type TrustedIssuer struct {
	// Issuer are its settings.
	Issuer Issuer
	// Names are what its tokens may call it.
	Names []string
	// Audiences are those that stand for the gateway.
	Audiences []string
	// Algorithms are the signature algorithms that are allowed.
	Algorithms []string
	// Subject leads to the claim that names a principal, and Roles to those that
	// hold its roles, beside Issuer.Roles. A path is the names of members, each
	// within the one before.
	Subject []string
	Roles   [][]string
	// Required are claims of which a token must have one of the values.
	Required []RequiredValues
	// KeySet is its keys as a JSON Web Key Set, in which each names the one
	// algorithm that it is for. Empty while they could not be fetched.
	KeySet []byte
}

// RequiredValues are the values of which a token's claim must have one.
type RequiredValues struct {
	// Path leads to the claim: a text, or a list of texts.
	Path   []string
	Values []string
}

// TrustedIssuers are the issuers of auth.yaml with their keys as they are now,
// in order. Changes tells when to ask again.
func (g *Gate) TrustedIssuers() ([]TrustedIssuer, error) {
	var trusted []TrustedIssuer
	for _, i := range g.current.Load().issuers {
		next := i.trusted()
		if set := i.keys.Set(); set != nil {
			var err error
			if next.KeySet, err = set.For(i.algorithms); err != nil {
				return nil, fmt.Errorf("encoding the keys of %s: %w", i.URL, err)
			}
		}
		trusted = append(trusted, next)
	}
	return trusted, nil
}

// trusted is i without its keys.
func (i *issuer) trusted() TrustedIssuer {
	out := TrustedIssuer{
		Issuer: i.Issuer, Names: i.accepted(), Audiences: i.audiences, Algorithms: i.algorithms, Subject: i.subject,
	}
	for _, path := range i.roles {
		out.Roles = append(out.Roles, path)
	}
	for _, required := range i.required {
		out.Required = append(out.Required, RequiredValues{Path: required.path, Values: required.values})
	}
	return out
}

// Changes receives after settings or keys have changed, as
// adapters.Store.Changes does.
func (g *Gate) Changes(ctx context.Context) <-chan struct{} { return g.changes.Changes(ctx) }

// advertisedScopes are those of all issuers that are advertised, each once.
func advertisedScopes(issuers []*issuer) []string {
	var scopes []string
	for _, i := range issuers {
		for _, scope := range i.scopes {
			if i.IsAdvertised() && !slices.Contains(scopes, scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return scopes
}
