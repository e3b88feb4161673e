package mcphttp

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/bridge/internal/about"
	"github.com/mooring-mcp/mooring/bridge/internal/jsonrpc"
)

const (
	// schemasFor is how long a server's tools are taken for what they were.
	schemasFor = 5 * time.Minute
	// schemasWait is how long a call waits for the list of tools.
	schemasWait = 30 * time.Second
	// maxToolPages bounds how many pages of that list are asked for.
	maxToolPages = 50
)

// ownMeta is the _meta of a request of the bridge's own.
const ownMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + about.FirstModern + `",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"mooring-bridge","version":"1"},` +
	`"io.modelcontextprotocol/clientCapabilities":{}}`

// paramHeader says that an argument of a tool must be in a header as well.
type paramHeader struct {
	header string
	path   []string
}

// schemas knows which arguments of a server's tools must be in headers.
type schemas struct {
	asking sync.Mutex // held while the list is asked for

	mu    sync.Mutex
	until time.Time
	tools map[string][]paramHeader
}

// learn adds the tools of a page of a tools/list result.
func (s *schemas) learn(result []byte) (next string) {
	var list struct {
		NextCursor string `json:"nextCursor"`
		Tools      []struct {
			Name        string         `json:"name"`
			InputSchema jsontext.Value `json:"inputSchema"`
		} `json:"tools"`
	}
	if json.Unmarshal(result, &list, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tools == nil {
		s.tools = make(map[string][]paramHeader)
	}
	for _, t := range list.Tools {
		s.tools[t.Name] = paramHeaders(t.InputSchema, nil)
	}
	return list.NextCursor
}

func (s *schemas) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until, s.tools = time.Time{}, nil
}

func (s *schemas) of(tool string) (headers []paramHeader, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tools[tool], time.Now().Before(s.until)
}

func (s *schemas) complete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(schemasFor)
}

// maxSchemaDepth bounds how deep in a schema headers are looked for.
const maxSchemaDepth = 32

// paramHeaders finds the properties with x-mcp-header in a schema.
func paramHeaders(schema []byte, path []string) []paramHeader {
	var object struct {
		Header     jsontext.Value            `json:"x-mcp-header"`
		Properties map[string]jsontext.Value `json:"properties"`
	}
	if len(path) > maxSchemaDepth || json.Unmarshal(schema, &object, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return nil
	}
	var found []paramHeader
	var name string
	if len(path) > 0 && object.Header != nil && json.Unmarshal(object.Header, &name) == nil && name != "" {
		found = append(found, paramHeader{header: headerParamPrefix + name, path: path})
	}
	for property, sub := range object.Properties {
		found = append(found, paramHeaders(sub, append(path[:len(path):len(path)], property))...)
	}
	return found
}

// checkArguments holds the Mcp-Param-* headers against the arguments of a call,
// as far as the tool's schema says that they must be equal.
func (wk *worker) checkArguments(r *http.Request, tool string, arguments []byte) *refusal {
	headers, known := wk.tools.of(tool)
	if !known {
		wk.listTools(r.Context())
		headers, _ = wk.tools.of(tool)
	}
	for _, p := range headers {
		if ref := checkArgument(r.Header.Values(p.header), p, arguments); ref != nil {
			return ref
		}
	}
	return nil
}

// listTools asks the server for its tools. Where it does not say, no header is
// checked: a call fails for better reasons then.
func (wk *worker) listTools(ctx context.Context) {
	wk.tools.asking.Lock()
	defer wk.tools.asking.Unlock()
	if _, known := wk.tools.of(""); known {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, schemasWait)
	defer cancel()
	params := "{" + ownMeta + "}"
	for range maxToolPages {
		answer, m, err := wk.ask(ctx, jsonrpc.MethodToolsList, []byte(params))
		if err != nil || ctx.Err() != nil {
			wk.log().Warn("the server does not list its tools", "error", err)
			return
		}
		if m.Failed {
			break
		}
		cursor := wk.tools.learn(m.At.Result.Of(answer))
		if cursor == "" {
			break
		}
		quoted, _ := jsontext.AppendQuote(nil, cursor)
		params = `{"cursor":` + string(quoted) + "," + ownMeta + "}"
	}
	wk.tools.complete()
}

func checkArgument(values []string, p paramHeader, arguments []byte) *refusal {
	argument := lookup(arguments, p.path)
	absent := argument == nil || argument.Kind() == 'n'
	switch {
	case absent && len(values) == 0:
		return nil
	case absent:
		return mismatch("the " + p.header + " header is for an argument that is not there")
	case len(values) != 1:
		return mismatch("the " + p.header + " header must be there once")
	}
	value, ok := decodeHeader(values[0])
	if !ok || !equalArgument(value, argument) {
		return mismatch("the " + p.header + " header is not the argument " + strings.Join(p.path, "."))
	}
	return nil
}

// lookup finds a value in nested objects, or returns nil.
func lookup(value jsontext.Value, path []string) jsontext.Value {
	for _, name := range path {
		var object map[string]jsontext.Value
		if json.Unmarshal(value, &object) != nil {
			return nil
		}
		value = object[name]
	}
	return value
}

// maxSafe is the largest whole number that every implementation of JSON keeps.
const maxSafe = 1<<53 - 1

// equalArgument compares a header with a string, a boolean or a whole number;
// nothing else can be in a header.
func equalArgument(header string, argument jsontext.Value) bool {
	switch argument.Kind() {
	case '"':
		var text string
		return json.Unmarshal(argument, &text) == nil && text == header
	case 't', 'f':
		return header == string(argument)
	case '0':
		a, err1 := strconv.ParseFloat(string(argument), 64)
		b, err2 := strconv.ParseFloat(header, 64)
		return err1 == nil && err2 == nil && a == b && a == math.Trunc(a) && math.Abs(a) <= maxSafe
	}
	return false
}
