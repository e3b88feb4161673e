package decide

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Era is which of the protocol's two kinds a request is of.
type Era string

// The eras. The zero value is not decided yet.
const (
	// EraLegacy is 2025-11-25 and older: initialize, then a session.
	EraLegacy Era = "legacy"
	// EraModern is 2026-07-28 and newer: every request stands alone.
	EraModern Era = "modern"
)

// firstModern is the first version of the modern era.
const firstModern = "2026-07-28"

const (
	methodInitialize = "initialize"
	methodCallTool   = "tools/call"
)

// Canonical names of headers.
const (
	headerSession = "Mcp-Session-Id"
	headerVersion = "Mcp-Protocol-Version"
	headerMethod  = "Mcp-Method"
	headerName    = "Mcp-Name"
	// headerRequestID is Envoy's own.
	headerRequestID = "X-Request-Id"
)

// versionForm is a version's form: a date. Each 0 stands for a digit.
const versionForm = "0000-00-00"

// modernVersion reports whether version is of the modern era. What is not a
// version is left to the upstream, which knows those that it supports.
func modernVersion(version string) bool {
	return isVersion(version) && version >= firstModern
}

func isVersion(text string) bool {
	if len(text) != len(versionForm) {
		return false
	}
	for i := range len(text) {
		digit := '0' <= text[i] && text[i] <= '9'
		if versionForm[i] == '0' && !digit || versionForm[i] == '-' && text[i] != '-' {
			return false
		}
	}
	return true
}

// version is the version that the headers name, or empty.
func (r *Request) version() string {
	if v := r.head.Header[headerVersion]; len(v) > 0 {
		return strings.TrimSpace(v[0])
	}
	return ""
}

// headerEra decides the era as far as headers can. The method's name says
// nothing: initialize under modern headers is a modern request.
func (r *Request) headerEra() *Refusal {
	for _, name := range []string{headerVersion, headerMethod, headerName} {
		if len(r.head.Header[name]) > 1 {
			return mismatch(name + " is sent more than once.")
		}
	}
	if modernVersion(r.version()) {
		r.era = EraModern
		if !r.HasMessage() {
			return methodNotAllowed("POST")
		}
		return nil
	}
	if !r.HasMessage() {
		r.era = EraLegacy
	}
	return nil
}

// bodyEra decides the era for good, and holds a modern request to the headers
// that it must carry. What a body alone shows to be wrong is left to the
// upstream.
func (r *Request) bodyEra() *Refusal {
	meta := r.message.ProtocolVersion
	if r.era == "" {
		r.era = EraLegacy
		if meta != "" {
			r.era = EraModern
		}
	}
	if r.era == EraLegacy {
		return nil
	}
	switch version := r.version(); {
	case version == "":
		return mismatch("MCP-Protocol-Version is missing: it must equal the protocol version in _meta.")
	case meta != "" && version != meta:
		return mismatch("MCP-Protocol-Version differs from the protocol version in _meta.")
	case !modernVersion(version) || r.message.Method == "":
		// Versions before the first modern one know no such headers.
		return nil
	}
	return r.equalHeaders()
}

// equalHeaders holds that what headers say of the body is what it says.
func (r *Request) equalHeaders() *Refusal {
	method := r.head.Header[headerMethod]
	if len(method) == 0 {
		return mismatch("Mcp-Method is missing.")
	}
	if strings.TrimSpace(method[0]) != r.message.Method {
		return mismatch("Mcp-Method differs from the method in the body.")
	}
	name := r.head.Header[headerName]
	switch {
	case len(name) == 0 && r.message.HasName && nameRequired(r.message.Method):
		return mismatch("Mcp-Name is missing.")
	case len(name) == 0, !r.message.HasName && !nameRequired(r.message.Method):
		return nil
	}
	if value, ok := decodeHeader(name[0]); !ok || !r.message.HasName || value != r.message.Name {
		return mismatch("Mcp-Name differs from the name in the body.")
	}
	return nil
}

// nameRequired reports whether the method's requests must carry Mcp-Name.
func nameRequired(method string) bool {
	return method == methodCallTool || method == "prompts/get" || method == "resources/read"
}

const (
	encodedPrefix = "=?base64?"
	encodedSuffix = "?="
)

// decodeHeader is the text that a header's value stands for: values that are no
// plain ASCII are sent in base64.
func decodeHeader(value string) (string, bool) {
	value = strings.TrimSpace(value)
	inner, found := strings.CutPrefix(value, encodedPrefix)
	if !found {
		return value, true
	}
	inner, found = strings.CutSuffix(inner, encodedSuffix)
	if !found {
		return value, true
	}
	text, err := base64.StdEncoding.Strict().DecodeString(inner)
	if err != nil || !utf8.Valid(text) {
		return "", false
	}
	return string(text), true
}
