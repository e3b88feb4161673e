package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// refusedRequest is a request that ends with a status other than 200.
type refusedRequest struct {
	name   string
	status int
	send   func(t *testing.T) (harness.Answer, error)
	// code is that of the JSON-RPC error; zero means problem details instead.
	code int
	// header must be there.
	header string
	// id is the request's; empty means null.
	id string
}

const (
	invalidRequest = -32600
	parseError     = -32700
	internalError  = -32603
	headerMismatch = -32020
)

// repeated sends a request until it gets the status, and that answer.
func repeated(status int, send func(*testing.T) (harness.Answer, error)) func(*testing.T) (harness.Answer, error) {
	return func(t *testing.T) (answer harness.Answer, err error) {
		harness.Await(t, "status "+strconv.Itoa(status), applied, func() bool {
			answer, err = send(t)
			return err != nil || answer.Status == status
		})
		return answer, err
	}
}

// onEndpoints are the refusals of adapters' endpoints: JSON-RPC.
func (g statusGateway) onEndpoints() []refusedRequest {
	const path, post = "/adapters/a/mcp", http.MethodPost
	modern := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	head := "POST " + path + " HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nAuthorization: Bearer " + g.token + "\r\n"
	session := func(adapter string) harness.Raw { return g.reader.Initialize(adapter) }
	return []refusedRequest{
		{name: "no JSON", status: 400, code: parseError, send: do(g.reader, post, path, `{`)},
		{name: "batch", status: 400, code: invalidRequest, send: do(g.reader, post, path, `[`+listTools+`]`)},
		{name: "name twice", status: 400, code: invalidRequest, id: "2", send: do(g.reader, post, path, `{"jsonrpc":"2.0","id":2,"method":"a","method":"b"}`)},
		{name: "two lengths", status: 400, code: 0, send: g.raw(head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")},
		{name: "header and body differ", status: 400, code: headerMismatch, id: "2", send: do(g.reader, post, path, modern, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list")},
		{name: "no credentials", status: 401, code: invalidRequest, header: "Www-Authenticate", send: do(g.Mooring, post, path, listTools)},
		{name: "no credentials, no adapter", status: 401, code: invalidRequest, header: "Www-Authenticate", send: do(g.Mooring, post, "/adapters/none/mcp", listTools)},
		{name: "no role", status: 403, code: invalidRequest, send: do(g.stranger, post, path, listTools)},
		{name: "page of another site", status: 403, code: invalidRequest, send: do(g.reader, post, path, listTools, "Origin", "https://evil.example.com")},
		{name: "upgrade", status: 403, code: invalidRequest, send: g.raw("GET " + path + " HTTP/1.1\r\nHost: HOST\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")},
		{name: "denied tool", status: 403, code: invalidRequest, id: `"c-7"`, send: func(t *testing.T) (harness.Answer, error) { return session("ruled").Try(post, callCrash) }},
		{name: "no session", status: 404, code: invalidRequest, id: "2", send: func(*testing.T) (harness.Answer, error) { return g.session.With("a.b.c").Try(post, listTools) }},
		{name: "no adapter", status: 404, code: invalidRequest, id: "2", send: do(g.reader, post, "/adapters/none/mcp", listTools)},
		{name: "PUT", status: 405, code: invalidRequest, header: "Allow", send: do(g.reader, http.MethodPut, path, listTools)},
		{name: "TRACE", status: 405, code: invalidRequest, header: "Allow", send: do(g.reader, http.MethodTrace, path, "")},
		{name: "modern GET", status: 405, code: invalidRequest, header: "Allow", send: do(g.reader, http.MethodGet, path, "", "Mcp-Protocol-Version", "2026-07-28")},
		{name: "body that pauses", status: 408, code: invalidRequest, send: g.raw(head + "Content-Length: 100\r\n\r\n{")},
		{name: "body too large", status: 413, code: invalidRequest, send: do(g.reader, post, path, strings.Repeat(" ", 4<<20+1))},
		{name: "body too large for one adapter", status: 413, code: invalidRequest, send: do(g.reader, post, "/adapters/small/mcp", strings.Repeat(" ", 1001))},
		{name: "no JSON type", status: 415, code: invalidRequest, send: do(g.reader, post, path, listTools, "Content-Type", "text/plain")},
		{name: "encoded", status: 415, code: invalidRequest, send: do(g.reader, post, path, listTools, "Content-Encoding", "gzip")},
		{name: "another host", status: 421, code: invalidRequest, send: do(g.reader, post, path, listTools, "Host", "evil.example.com")},
		{name: "over the rate", status: 429, code: invalidRequest, header: "Retry-After", send: repeated(429, do(g.reader, post, "/adapters/rated/mcp", listTools))},
		{name: "server breaks off", status: 502, code: internalError, id: "2", send: func(*testing.T) (harness.Answer, error) { return session("rude").Try(post, listTools) }},
		{name: "no replica", status: 503, code: internalError, header: "Retry-After", send: do(g.reader, post, "/adapters/absent/mcp", listTools)},
		{name: "too many streams", status: 503, code: internalError, header: "Retry-After", send: g.secondStream},
		{name: "server too slow", status: 504, code: internalError, send: func(t *testing.T) (harness.Answer, error) {
			return session("slow").Try(post, fmt.Sprintf(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"hold","arguments":{"file":%q}}}`, t.TempDir()+"/never"))
		}},
	}
}

// elsewhere are the refusals of what is no endpoint: problem details.
func (g statusGateway) elsewhere() []refusedRequest {
	const post = http.MethodPost
	return []refusedRequest{
		{name: "unknown field", status: 400, send: do(g.admin, post, "/adapters", `{"name":"x","what":1}`)},
		{name: "escaped slash", status: 400, send: g.raw("GET /adapters%2fa HTTP/1.1\r\nHost: HOST\r\n\r\n")},
		{name: "no credentials", status: 401, header: "Www-Authenticate", send: do(g.Mooring, http.MethodGet, "/adapters", "")},
		{name: "not one's own", status: 403, send: do(g.reader, http.MethodDelete, "/adapters/a", "")},
		{name: "upgrade", status: 403, send: g.raw("GET /adapters HTTP/1.1\r\nHost: HOST\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")},
		{name: "nothing there", status: 404, send: do(g.admin, http.MethodGet, "/adapters/none", "")},
		{name: "absolute target", status: 404, send: g.raw("GET http://HOST/adapters HTTP/1.1\r\nHost: HOST\r\n\r\n")},
		{name: "TRACE", status: 405, send: do(g.admin, http.MethodTrace, "/adapters", "")},
		{name: "DELETE of all", status: 405, header: "Allow", send: do(g.admin, http.MethodDelete, "/adapters", "")},
		// What ends before its target was read is of no endpoint.
		{name: "headers that do not arrive", status: 408, send: g.raw("POST /adapters/a/mcp HTTP/1.1\r\nHost: HOST\r\n")},
		{name: "headers too large", status: 431, send: do(g.reader, post, "/adapters/a/mcp", listTools, "X-Long", strings.Repeat("x", 70_000))},
		{name: "name taken", status: 409, send: do(g.admin, post, "/adapters", harness.JSON(g.Mooring, g.TestServer("a", 1)))},
		{name: "stale", status: 412, send: do(g.admin, http.MethodDelete, "/adapters/a", "", "If-Match", `"0"`)},
		{name: "too large", status: 413, send: do(g.admin, post, "/adapters", `{"description":"`+strings.Repeat("x", 8<<20)+`"}`)},
		{name: "no JSON type", status: 415, send: do(g.admin, post, "/adapters", `{}`, "Content-Type", "text/plain")},
		{name: "another host", status: 421, send: do(g.admin, http.MethodGet, "/adapters", "", "Host", "evil.example.com")},
		{name: "image", status: 422, send: do(g.admin, post, "/adapters", `{"name":"x","imageName":"registry.example/server","imageVersion":"1"}`)},
	}
}

// secondStream opens a stream too many.
func (g statusGateway) secondStream(t *testing.T) (harness.Answer, error) {
	session := g.reader.Initialize("full")
	stream, err := session.Stream(limited(t, 20*time.Second))
	if err != nil {
		return harness.Answer{}, err
	}
	defer stream.Close()
	return g.reader.Initialize("full").Try(http.MethodGet, "")
}

// TestEveryStatus asks for each status that the gateway knows, on endpoints and
// elsewhere, and looks at the shape of the answer.
func TestEveryStatus(t *testing.T) {
	g := startStatusGateway(t)
	shown := map[int]bool{}
	t.Run("all", func(t *testing.T) {
		for where, requests := range map[string][]refusedRequest{"endpoint": g.onEndpoints(), "elsewhere": g.elsewhere()} {
			for _, r := range requests {
				shown[r.status] = true
				t.Run(where+", "+r.name, func(t *testing.T) {
					t.Parallel() // some take time to be refused
					answer, err := r.send(t)
					if err != nil {
						t.Fatal(err)
					}
					r.check(t, answer)
				})
			}
		}
	})
	t.Run("unknown adapter", g.testUnknownAdapterIsNotTold)
	if diff := cmp.Diff([]int{400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 421, 422, 429, 431, 502, 503, 504}, slices.Sorted(maps.Keys(shown))); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

// testUnknownAdapterIsNotTold holds that who is not known learns from the answer
// nothing of which adapters there are.
func (g statusGateway) testUnknownAdapterIsNotTold(t *testing.T) {
	there, err := do(g.Mooring, http.MethodPost, "/adapters/a/mcp", listTools)(t)
	if err != nil {
		t.Fatal(err)
	}
	none, err := do(g.Mooring, http.MethodPost, "/adapters/z/mcp", listTools)(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []harness.Answer{there, none} {
		answer.Header.Del("Date")
		answer.Header.Del("X-Request-Id")
	}
	challenge := none.Header.Get("Www-Authenticate")
	none.Header.Set("Www-Authenticate", strings.ReplaceAll(challenge, "/adapters/z/", "/adapters/a/"))
	if diff := cmp.Diff(there, none); diff != "" {
		t.Errorf("an adapter that there is and one that there is not differ (-is +is not):\n%s", diff)
	}
}

// check looks at status, shape and what must not show.
func (r refusedRequest) check(t *testing.T, answer harness.Answer) {
	t.Helper()
	var body struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
		Status        int `json:"status"`
		Title, Detail string
	}
	if err := json.Unmarshal([]byte(answer.Body), &body); err != nil {
		t.Fatalf("status %d, no JSON (%v): %s", answer.Status, err, answer.Body)
	}
	id := r.id
	if id == "" {
		id = "null"
	}
	kind := answer.Header.Get("Content-Type")
	rpc := kind == "application/json" && body.JSONRPC == "2.0" && string(body.ID) == id && body.Error.Code == r.code && body.Error.Message != ""
	problem := kind == "application/problem+json" && body.Status == r.status && body.Title != "" && body.Detail != "" && body.JSONRPC == ""
	if answer.Status != r.status || r.code != 0 && !rpc || r.code == 0 && !problem {
		t.Errorf("status %d, want %d; type %s: %s", answer.Status, r.status, kind, answer.Body)
	}
	if r.header != "" && answer.Header.Get(r.header) == "" {
		t.Errorf("no %s: %v", r.header, answer.Header)
	}
	for _, secret := range []string{".sock", "127.0.0.1", "goroutine", "mooring-"} {
		if strings.Contains(answer.Body, secret) {
			t.Errorf("the answer names %s: %s", secret, answer.Body)
		}
	}
	if server := answer.Header.Get("Server"); server != "mooring" {
		t.Errorf("Server: %s", server)
	}
}
