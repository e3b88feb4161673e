// Package translate makes a server that speaks one era of the protocol look like
// one that speaks the other, as a process over stdio: Modern puts a server of
// the legacy era behind the modern one. What maps to what is in
// docs/reference/eras.md. It knows nothing of HTTP, sessions and users.
package translate

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

// Child is a server process, as package mcphttp knows it.
type Child interface {
	Send(message []byte) error
	Receive() (message []byte, cut bool, err error)
	Stop()
	Ending() (how string, first bool)
}

// errEnded: the process has ended.
var errEnded = errors.New("the server process has ended")

const (
	modernVersion = "2026-07-28"
	legacyVersion = "2025-11-25"

	metaServerInfo = "io.modelcontextprotocol/serverInfo"

	codeNotFound = -32002 // of a resource, in the legacy era
	codeURL      = -32042 // the user must visit a URL first, in the legacy era
)

// lenient reads what servers write.
func lenient() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// cached are the methods whose results say how long they may be kept.
var cached = map[string]bool{
	"server/discover": true, "tools/list": true, "prompts/list": true, "resources/list": true,
	"resources/templates/list": true, "resources/read": true,
}

// complete is a legacy result as the modern era wants it. A server of the legacy
// era does not say whom a result is for, nor for how long it is true: so for
// nobody else, and not for later. What is there already stays.
func complete(result []byte, method string, serverInfo jsontext.Value) []byte {
	var fields map[string]jsontext.Value
	if json.Unmarshal(result, &fields, lenient()) != nil {
		return result
	}
	add := []byte{'{'}
	field := func(name string, value []byte) {
		if fields[name] == nil {
			add = append(append(append(add, '"'), name...), '"', ':')
			add = append(append(add, value...), ',')
		}
	}
	field("resultType", []byte(`"complete"`))
	if cached[method] {
		field("ttlMs", []byte("0"))
		field("cacheScope", []byte(`"private"`))
	}
	if serverInfo != nil {
		field("_meta", append(append([]byte(`{"`+metaServerInfo+`":`), serverInfo...), '}'))
	}
	if len(fields) == 0 {
		return append(add[:len(add)-1], '}')
	}
	brace := 0
	for result[brace] != '{' {
		brace++
	}
	return append(add, result[brace+1:]...)
}

// initialized is the result of initialize, as far as it is needed.
type initialized struct {
	Capabilities map[string]jsontext.Value `json:"capabilities"`
	ServerInfo   jsontext.Value            `json:"serverInfo"`
	Instructions jsontext.Value            `json:"instructions"`
}

// has reports whether the capability is there, and in it the flag, where one is
// named.
func (i initialized) has(capability, flag string) bool {
	value, ok := i.Capabilities[capability]
	if !ok || flag == "" {
		return ok
	}
	var flags map[string]jsontext.Value
	return json.Unmarshal(value, &flags, lenient()) == nil && string(flags[flag]) == "true"
}

// discovered is the result of server/discover for a server that answered
// initialize so.
func discovered(i initialized) []byte {
	capabilities := make(map[string]jsontext.Value)
	for name, value := range i.Capabilities {
		// Tasks became an extension with other methods.
		if name != "tasks" {
			capabilities[name] = value
		}
	}
	result := map[string]any{"supportedVersions": []string{modernVersion}, "capabilities": capabilities}
	if i.Instructions != nil {
		result["instructions"] = i.Instructions
	}
	text, err := json.Marshal(result, json.Deterministic(true), lenient())
	if err != nil {
		return []byte(`{"resultType":"complete","supportedVersions":["` + modernVersion + `"],"capabilities":{}}`)
	}
	return complete(text, jsonrpc.MethodDiscover, i.ServerInfo)
}

// bound are the client's capabilities that a server of the legacy era learns
// once, when it is initialised.
type bound struct {
	Elicitation jsontext.Value `json:"elicitation,omitzero"`
	Roots       jsontext.Value `json:"roots,omitzero"`
	Sampling    jsontext.Value `json:"sampling,omitzero"`
}

// Bound is the part of a client's capabilities (JSON) that a process is bound
// to, in a canonical form.
func Bound(capabilities []byte) string {
	var b bound
	if json.Unmarshal(capabilities, &b, lenient()) != nil {
		return "{}"
	}
	if b.Roots != nil {
		// Nothing would say that they have changed.
		b.Roots = jsontext.Value("{}")
	}
	text, err := json.Marshal(b, lenient())
	if err != nil {
		return "{}"
	}
	value := jsontext.Value(text)
	if value.Canonicalize() != nil {
		return "{}"
	}
	return string(value)
}
