package launch

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/net/http/httpguts"
)

// maxProxyHeaders bounds how many headers an adapter may add.
const maxProxyHeaders = 32

// headerSource is where the value of a header comes from.
type headerSource struct {
	// Variable names the variable that has it.
	Variable string
	// Scheme stands before the value, with a space between. Empty means nothing.
	Scheme string
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
	sources, err := headerSources(text)
	if err != nil {
		return nil, err
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

// errNoSources is what is said of a text of another form: the decoder's error
// could show a part of it.
var errNoSources = errors.New("it must be a JSON object of headers, each an object with the member variable, and maybe scheme")

// headerSources reads text strictly: names count exactly and once, and null is
// nothing.
func headerSources(text string) (map[string]headerSource, error) {
	tokens := jsontext.NewDecoder(strings.NewReader(text))
	sources := map[string]headerSource{}
	err := readObject(tokens, func(header string) error {
		var source headerSource
		err := readObject(tokens, func(member string) (err error) {
			switch member {
			case "variable":
				source.Variable, err = readText(tokens)
			case "scheme":
				source.Scheme, err = readText(tokens)
			default:
				err = errNoSources
			}
			return err
		})
		sources[header] = source
		return err
	})
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return nil, errors.New("a header, or a member of one, is there more than once")
	}
	if err != nil {
		return nil, errNoSources
	}
	if _, err := tokens.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the JSON object")
	}
	return sources, nil
}

// readObject reads an object; member reads the value of each of its names.
func readObject(tokens *jsontext.Decoder, member func(name string) error) error {
	if tokens.PeekKind() != '{' {
		return errNoSources
	}
	if _, err := tokens.ReadToken(); err != nil {
		return err
	}
	for tokens.PeekKind() != '}' {
		token, err := tokens.ReadToken()
		if err != nil {
			return err
		}
		if err := member(token.String()); err != nil {
			return err
		}
	}
	_, err := tokens.ReadToken()
	return err
}

func readText(tokens *jsontext.Decoder) (string, error) {
	if tokens.PeekKind() != '"' {
		return "", errNoSources
	}
	token, err := tokens.ReadToken()
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

// addable says why an adapter cannot add the header, or nil.
func addable(name string) error {
	if len(name) > 128 || !httpguts.ValidHeaderFieldName(name) {
		return errors.New("the name of a header is not valid")
	}
	lower := strings.ToLower(name)
	taken := []string{
		"accept", "accept-encoding", "cdn-loop", "connection", "expect", "host", "keep-alive", "last-event-id", "origin", "proxy-authorization",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "x-request-id",
	}
	prefixes := []string{InternalHeaderPrefix, "x-envoy-", "content-", "mcp-"}
	if slices.Contains(taken, lower) || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(lower, p) }) {
		return fmt.Errorf("the header %s belongs to the protocol or to the gateway", http.CanonicalHeaderKey(name))
	}
	return nil
}
