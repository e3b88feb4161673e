package harness

import "net/http"

// As is m to somebody: its client adds the headers, pairs of name and value, to
// each request that does not have them.
func (m *Mooring) As(headers ...string) *Mooring {
	who := *m
	who.client = &http.Client{Transport: adding{m.client.Transport, headers}}
	return &who
}

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
