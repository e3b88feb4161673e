package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

// serveEra is a server of the SDK that speaks only these versions. Its tool asks
// the user for a name, in the way of its era.
func serveEra(versions ...string) {
	modern := versions[0] >= "2026"
	server := mcp.NewServer(&mcp.Implementation{Name: "era", Version: "1"}, &mcp.ServerOptions{SupportedProtocolVersions: versions})
	question := &mcp.ElicitParams{Message: "Who?", RequestedSchema: &jsonschema.Schema{
		Type: "object", Properties: map[string]*jsonschema.Schema{"name": {Type: "string"}},
	}}
	mcp.AddTool(server, &mcp.Tool{Name: "greet"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		var answer *mcp.ElicitResult
		switch {
		case !modern:
			var err error
			if answer, err = r.Session.Elicit(ctx, question); err != nil {
				return nil, nil, err
			}
		case r.Params.InputResponses["who"] == nil:
			return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"who": question}, RequestState: "asked"}, nil, nil
		default:
			answer, _ = r.Params.InputResponses["who"].(*mcp.ElicitResult)
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint("Hello, ", answer.Content["name"])}}}, nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "grow"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		mcp.AddTool(server, &mcp.Tool{Name: "grown"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, nil
		})
		return &mcp.CallToolResult{}, nil, nil
	})
	if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// TestEras tries all four cells: clients and servers of either era.
func TestEras(t *testing.T) {
	for _, serverEra := range []string{"old", "new"} {
		for _, version := range []string{"2025-11-25", "2026-07-28"} {
			t.Run(serverEra+" server, client "+version, func(t *testing.T) {
				environ, command := own(serverEra)
				b := start(t, environ, command)
				b.await("Ready")
				changed := make(chan struct{}, 1)
				session := dialVersion(t, b, &mcp.ClientOptions{
					ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
						return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ann"}}, nil
					},
					ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
				}, version)
				defer func() { _ = session.Close() }()
				if got := session.InitializeResult(); got.ProtocolVersion != version || got.Capabilities.Tools == nil {
					t.Errorf("initialized with %+v", got)
				}
				tools, err := session.ListTools(t.Context(), nil)
				if err != nil || len(tools.Tools) != 2 {
					t.Fatalf("%v, %v", tools, err)
				}
				result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "greet"})
				if err != nil || len(result.Content) != 1 {
					t.Fatalf("%+v, %v", result, err)
				}
				if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != "Hello, Ann" {
					t.Errorf("got %+v", result.Content[0])
				}
				if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "grow"}); err != nil {
					t.Error(err)
				}
				select {
				case <-changed:
				case <-time.After(10 * time.Second):
					t.Error("the change of the list is not told")
				}
				if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "none"}); err == nil || !strings.Contains(err.Error(), "none") {
					t.Errorf("an unknown tool gives %v", err)
				}
			})
		}
	}
}

// TestUsersOfASharedProcessAreKeptApart asks one user of a shared process a
// question, which no other may answer.
func TestUsersOfASharedProcessAreKeptApart(t *testing.T) {
	environ, command := own("old")
	b := start(t, environ, func(c *Config) {
		command(c)
		c.Process = processShared
	})
	b.await("Ready")
	call := func(user, more string) (status int, answer string) {
		t.Helper()
		return b.modern("tools/call", "greet", user, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{},`+
			`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}}}`+more+`}}`)
	}
	_, asked := call("ann", "")
	var question struct {
		Result struct {
			RequestState  string
			InputRequests map[string]any
		}
	}
	if err := json.Unmarshal([]byte(asked), &question); err != nil || len(question.Result.InputRequests) != 1 {
		t.Fatalf("%s: %v", asked, err)
	}
	for key := range question.Result.InputRequests {
		answer := `,"requestState":"` + question.Result.RequestState + `","inputResponses":{"` + key + `":{"action":"accept","content":{"name":"Ann"}}}`
		if status, text := call("bob", answer); status != http.StatusBadRequest || !strings.Contains(text, "another user") {
			t.Errorf("bob: %d %s", status, text)
		}
		if status, text := call("ann", answer); status != http.StatusOK || !strings.Contains(text, "Hello, Ann") {
			t.Errorf("ann: %d %s", status, text)
		}
	}
}

// modern sends one request of the modern era as a user whom the gateway names.
func (b *running) modern(method, name, user, body string) (status int, answer string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/mcp", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for header, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
		"Mcp-Method": method, "Mcp-Name": name, launch.HeaderPrincipal: user,
	} {
		if value != "" {
			req.Header.Set(header, value)
		}
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
