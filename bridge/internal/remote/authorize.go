package remote

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/mooring-mcp/mooring/bridge/internal/bearer"
)

// errNoToken: the workload has no token to send.
var errNoToken = errors.New("the workload got no token")

// authorizing adds the workload's token to requests.
type authorizing struct {
	tokens bearer.Source
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A token that the server does not take
// is replaced once: a request that was answered 401 has not run.
func (a authorizing) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := a.tokens.Token(req.Context())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoToken, err)
	}
	resp, err := a.next.RoundTrip(withToken(req, token))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !a.tokens.Refused(token) {
		return resp, err
	}
	other, err := a.tokens.Token(req.Context())
	if err != nil || other == token {
		// The server's own answer says enough.
		return resp, nil
	}
	again, err := rewound(req)
	if err != nil {
		return resp, nil
	}
	discard(resp)
	return a.next.RoundTrip(withToken(again, other))
}

func withToken(req *http.Request, token string) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}
