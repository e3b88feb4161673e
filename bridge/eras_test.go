package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
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
