package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The first argument that makes this program the server.
const (
	modeStdio = "serve-stdio"
	modeHTTP  = "serve-http" // with the port
)

// serve is the server, if the arguments say so.
func serve(args []string) (serves bool, err error) {
	switch {
	case len(args) == 1 && args[0] == modeStdio:
		return true, newServer().Run(context.Background(), &mcp.StdioTransport{})
	case len(args) == 2 && args[0] == modeHTTP:
		server := newServer()
		handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
		s := &http.Server{Addr: net.JoinHostPort("127.0.0.1", args[1]), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		return true, s.ListenAndServe()
	}
	return false, nil
}

type echoInput struct {
	Text string `json:"text"`
}

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "echo", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "echo", Description: "give the text back"},
		func(_ context.Context, _ *mcp.CallToolRequest, in echoInput) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Text}}}, nil, nil
		})
	return server
}

// callOf is the request of a call. The text needs no escaping.
func callOf(id int64, text string) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%s"}}}`, id, text)
}
