package launch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// maxProxyHeaders bounds how many headers an adapter may add.
const maxProxyHeaders = 32

// headerSource is where the value of a header comes from.
type headerSource struct {
	// Variable names the variable that has it.
	Variable string `json:"variable"`
	// Scheme stands before the value, with a space between. Empty means nothing.
	Scheme string `json:"scheme"`
}

// ProxyHeaders are the headers that a remote server gets with each request, by
// the text of ProxyHeadersVariable: a JSON object that names for each header the
// variable whose value it gets, and optionally a scheme to stand before that:
//
//	{"Authorization": {"variable": "API_TOKEN", "scheme": "Bearer"}}
//
// So the text itself holds no secret. lookup gives the value of a variable. The
// error says what is wrong with the text, and shows no value.
func ProxyHeaders(text string, lookup func(name string) (value string, found bool)) (http.Header, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	var sources map[string]headerSource
	if err := decoder.Decode(&sources); err != nil {
		return nil, errors.New("it must be a JSON object of headers, each an object with the member variable, and maybe scheme")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the JSON object")
	}
	if len(sources) > maxProxyHeaders {
		return nil, fmt.Errorf("there are more than %d headers", maxProxyHeaders)
	}
	headers := make(http.Header, len(sources))
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		source := sources[name]
		canonical := http.CanonicalHeaderKey(name)
		if err := addable(name); err != nil {
			return nil, err
		}
		if headers[canonical] != nil {
			return nil, fmt.Errorf("the header %s is there more than once", canonical)
		}
		value, found := lookup(source.Variable)
		if !found {
			return nil, fmt.Errorf("the header %s is to have the value of %q, and there is no such variable", canonical, source.Variable)
		}
		if source.Scheme != "" {
			value = source.Scheme + " " + value
		}
		if strings.TrimSpace(value) == "" || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("the value of %s cannot be in a header: it is empty or holds line breaks or other control characters", source.Variable)
		}
		headers[canonical] = []string{value}
	}
	return headers, nil
}

// addable says why an adapter cannot add the header, or nil.
func addable(name string) error {
	if len(name) > 128 || !httpguts.ValidHeaderFieldName(name) {
		return errors.New("the name of a header is not valid")
	}
	lower := strings.ToLower(name)
	taken := []string{
		"accept", "cdn-loop", "connection", "expect", "host", "keep-alive", "last-event-id", "origin", "proxy-authorization",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	}
	prefixes := []string{InternalHeaderPrefix, "x-envoy-", "content-", "mcp-"}
	if slices.Contains(taken, lower) || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(lower, p) }) {
		return fmt.Errorf("the header %s belongs to the protocol or to the gateway", http.CanonicalHeaderKey(name))
	}
	return nil
}
