package harness

import (
	"net/http"
	"testing"
)

// As is m to somebody: its client adds the headers, pairs of name and value, to
// each request that does not have them.
func (m *Mooring) As(headers ...string) *Mooring {
	who := *m
	who.client = &http.Client{Transport: adding{m.client.Transport, headers}}
	return &who
}

// With is m to the test, which may be a part of the one that m was started for.
func (m *Mooring) With(tb testing.TB) *Mooring {
	other := *m
	other.tb = tb
	return &other
}

// Client is what m's requests go through.
func (m *Mooring) Client() *http.Client { return m.client }

// adding is a transport that adds headers.
type adding struct {
	next    http.RoundTripper
	headers []string
}

// RoundTrip implements http.RoundTripper.
func (a adding) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for i := 0; i+1 < len(a.headers); i += 2 {
		if req.Header.Get(a.headers[i]) == "" {
			req.Header.Set(a.headers[i], a.headers[i+1])
		}
	}
	return a.next.RoundTrip(req)
}
