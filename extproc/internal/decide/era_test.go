package decide

import (
	"encoding/base64"
	"testing"
	"unicode/utf8"

	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
)

func TestEra(t *testing.T) {
	call := func(version string) inspect.Message {
		return inspect.Message{Kind: inspect.Request, ID: []byte("1"), Method: methodCallTool, Name: "a", HasName: true, ProtocolVersion: version}
	}
	other := func(method, version string) inspect.Message {
		return inspect.Message{Kind: inspect.Request, ID: []byte("1"), Method: method, ProtocolVersion: version}
	}
	full := []string{headerVersion, "2026-07-28", headerMethod, methodCallTool, headerName, "a"}
	for name, c := range map[string]struct {
		head    Head
		message inspect.Message
		era     Era
		code    int
	}{
		"nothing said":                   {post(), call(""), EraLegacy, 0},
		"legacy version":                 {post(headerVersion, "2025-11-25"), call(""), EraLegacy, 0},
		"legacy headers are only advice": {post(headerVersion, "2025-11-25", headerMethod, "x", headerName, "y"), call(""), EraLegacy, 0},
		"not a version":                  {post(headerVersion, "zzz"), call(""), EraLegacy, 0},
		"modern":                         {post(full...), call("2026-07-28"), EraModern, 0},
		"modern, no _meta":               {post(full...), call(""), EraModern, 0},
		"newer":                          {post(headerVersion, "2031-01-01", headerMethod, "x/y"), other("x/y", "2031-01-01"), EraModern, 0},
		"unknown method with a name":     {post(headerVersion, "2026-07-28", headerMethod, "x/y", headerName, "z"), other("x/y", ""), EraModern, 0},
		"notification":                   {post(headerVersion, "2026-07-28", headerMethod, "x"), inspect.Message{Kind: inspect.Notification, Method: "x"}, EraModern, 0},
		"response":                       {post(headerVersion, "2026-07-28"), reply, EraModern, 0},
		"old version in both":            {post(headerVersion, "2020-01-01"), call("2020-01-01"), EraModern, 0},
		"task without its header":        {post(headerVersion, "2026-07-28", headerMethod, "tasks/get"), inspect.Message{Kind: inspect.Request, ID: []byte("1"), Method: "tasks/get", Name: "t", HasName: true}, EraModern, 0},
		"_meta alone":                    {post(), call("2026-07-28"), EraModern, codeHeaderMismatch},
		"_meta differs":                  {post(full...), call("2026-07-29"), EraModern, codeHeaderMismatch},
		"_meta modern, header legacy":    {post(headerVersion, "2025-11-25"), call("2026-07-28"), EraModern, codeHeaderMismatch},
		"_meta not a version":            {post(headerVersion, "2026-07-28"), call("zzz"), EraModern, codeHeaderMismatch},
		"method differs in case":         {post(headerVersion, "2026-07-28", headerMethod, "Tools/Call", headerName, "a"), call(""), EraModern, codeHeaderMismatch},
		"method missing":                 {post(headerVersion, "2026-07-28", headerName, "a"), call(""), EraModern, codeHeaderMismatch},
		"name missing":                   {post(headerVersion, "2026-07-28", headerMethod, methodCallTool), call(""), EraModern, codeHeaderMismatch},
		"name empty":                     {post(headerVersion, "2026-07-28", headerMethod, methodCallTool, headerName, ""), call(""), EraModern, codeHeaderMismatch},
		"name only in the header":        {post(full...), other(methodCallTool, ""), EraModern, codeHeaderMismatch},
		"name twice":                     {post(append(full, headerName, "a")...), call(""), "", codeHeaderMismatch},
		"task differs":                   {post(headerVersion, "2026-07-28", headerMethod, "tasks/get", headerName, "u"), inspect.Message{Kind: inspect.Request, ID: []byte("1"), Method: "tasks/get", Name: "t", HasName: true}, EraModern, codeHeaderMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			_, d := judgeAll(t, policy, c.head, c.message, nil)
			code := 0
			if d.Refusal != nil {
				code = d.Refusal.Code
			}
			if d.Metadata.Era != c.era || code != c.code {
				t.Errorf("era %q, refusal %+v", d.Metadata.Era, d.Refusal)
			}
		})
	}
}

func TestDecodeHeader(t *testing.T) {
	for value, want := range map[string]string{
		"a": "a", " a\t": "a", "=?base64?YQ==?=": "a", "=?base64??=": "",
		"=?base64?YQ==": "=?base64?YQ==", "=?BASE64?YQ==?=": "=?BASE64?YQ==?=",
	} {
		if got, ok := decodeHeader(value); !ok || got != want {
			t.Errorf("%q: %q, %v", value, got, ok)
		}
	}
	for _, value := range []string{"=?base64?YQ?=", "=?base64?YR==?=", "=?base64?_w==?=", "=?base64?/w==?=", "=?base64?Y Q==?="} {
		if got, ok := decodeHeader(value); ok {
			t.Errorf("%q: %q", value, got)
		}
	}
}

// FuzzDecodeHeader holds that every text has its encoded form, and that what is
// decoded is text.
func FuzzDecodeHeader(f *testing.F) {
	for _, seed := range []string{"a", "", "ü", "=?base64?YQ==?=", "=?base64?", "?="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if text, ok := decodeHeader(value); ok && utf8.ValidString(value) && !utf8.ValidString(text) {
			t.Errorf("%q became %q", value, text)
		}
		if !utf8.ValidString(value) {
			return
		}
		encoded := encodedPrefix + base64.StdEncoding.EncodeToString([]byte(value)) + encodedSuffix
		if got, ok := decodeHeader(encoded); !ok || got != value {
			t.Errorf("%q came back as %q, %v", value, got, ok)
		}
	})
}
