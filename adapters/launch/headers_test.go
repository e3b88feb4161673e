package launch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lookup(name string) (string, bool) {
	value, found := map[string]string{"TOKEN": "s3cret-value", "EMPTY": "", "LINES": "s3cret\nvalue"}[name]
	return value, found
}

func TestProxyHeaders(t *testing.T) {
	got, err := ProxyHeaders(`{"authorization":{"variable":"TOKEN","scheme":"Bearer"},"X-Api-Key":{"variable":"TOKEN"}}`, lookup)
	if d := cmp.Diff(map[string][]string{"Authorization": {"Bearer s3cret-value"}, "X-Api-Key": {"s3cret-value"}}, map[string][]string(got)); d != "" || err != nil {
		t.Errorf("error %v, (-want +got):\n%s", err, d)
	}
}

func TestProxyHeadersRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "must be a JSON object",
		"[]":                                     "must be a JSON object",
		"{}{}":                                   "something after",
		`{"A":{"variable":"TOKEN","value":"x"}}`: "must be a JSON object",
		`{"A b":{"variable":"TOKEN"}}`:           "not valid",
		`{"A":{"variable":"NONE"}}`:              "no such variable",
		`{"A":{"variable":"EMPTY"}}`:             "cannot be in a header",
		`{"A":{"variable":"LINES"}}`:             "cannot be in a header",
		`{"A":{"variable":"TOKEN","scheme":"x\r\nB: c"}}`:           "cannot be in a header",
		`{"A":{"variable":"TOKEN"},"a":{"variable":"TOKEN"}}`:       "more than once",
		`{"A":{"variable":"TOKEN"},"A":{"variable":"TOKEN"}}`:       "more than once",
		`{"A":{"variable":"NONE","variable":"TOKEN"}}`:              "more than once",
		`{"A":{"Variable":"TOKEN"}}`:                                "must be a JSON object",
		`{"A":{"variable":"TOKEN","scheme":null}}`:                  "must be a JSON object",
		`{"A":{"variable":null}}`:                                   "must be a JSON object",
		`{"A":null}`:                                                "must be a JSON object",
		"null":                                                      "must be a JSON object",
		`{"A":{"variable":"TOKEN"}} x`:                              "something after",
		`{"A":{"variable":"TOKEN"},}`:                               "must be a JSON object",
		`{"X-Request-Id":{"variable":"TOKEN"}}`:                     "belongs to",
		`{"accept-encoding":{"variable":"TOKEN"}}`:                  "belongs to",
		`{"X-Mooring-User":{"variable":"TOKEN"}}`:                   "belongs to",
		`{"Mcp-Session-Id":{"variable":"TOKEN"}}`:                   "belongs to",
		`{"hOsT":{"variable":"TOKEN"}}`:                             "belongs to",
		`{"Content-Length":{"variable":"TOKEN"}}`:                   "belongs to",
		`{"` + strings.Repeat("a", 129) + `":{"variable":"EMPTY"}}`: "not valid",
	} {
		_, err := ProxyHeaders(text, lookup)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

func FuzzProxyHeaders(f *testing.F) {
	for _, seed := range []string{`{"A":{"variable":"TOKEN"}}`, `{}`, `{"A":null}`, `{"A":{"variable":"TOKEN","scheme":"Bearer"}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		headers, err := ProxyHeaders(text, lookup)
		if err != nil && strings.Contains(err.Error(), "s3cret-value") && !strings.Contains(text, "s3cret") {
			t.Errorf("the error shows a secret: %v", err)
		}
		for name, values := range headers {
			if len(values) != 1 || strings.ContainsAny(name+values[0], "\r\n\x00") || strings.HasPrefix(strings.ToLower(name), "x-mooring-") {
				t.Errorf("%s: %q", name, values)
			}
		}
	})
}
