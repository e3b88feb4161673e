// Command testserver is the stdio MCP server that the end to end tests deploy.
// Its tools say who answers, stream, ask back, and wait to be let go.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	if path := os.Getenv("TESTSERVER_FAIL"); path != "" {
		fmt.Fprintln(os.Stderr, "testserver: told to fail:", path)
		os.Exit(7)
	}
	if words := os.Getenv("TESTSERVER_SAY"); words != "" {
		fmt.Println("testserver: told to say:", words)
		fmt.Fprintln(os.Stderr, "testserver: told to say:", words)
	}
	self, err := newProcess()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testserver:", err)
		os.Exit(1)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "testserver", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "who", Description: "say which process of which instance answers"}, who)
	mcp.AddTool(server, &mcp.Tool{Name: "echo", Description: "give the text back"}, echo)
	mcp.AddTool(server, &mcp.Tool{Name: "progress", Description: "report progress, then answer"}, progress)
	mcp.AddTool(server, &mcp.Tool{Name: "ask", Description: "ask the client for a sample and answer with it"}, ask)
	mcp.AddTool(server, &mcp.Tool{Name: "hold", Description: "answer once the file is there"}, hold)
	mcp.AddTool(server, &mcp.Tool{Name: "record", Description: "add the text to the file, then answer a moment later"}, record)
	mcp.AddTool(server, &mcp.Tool{Name: "report", Description: "tell the URL which process runs the call, then answer the same a moment later"}, self.report)
	mcp.AddTool(server, &mcp.Tool{Name: "trace", Description: "say which span called"}, span)
	mcp.AddTool(server, &mcp.Tool{Name: "environment", Description: "name the variables"}, environment)
	mcp.AddTool(server, &mcp.Tool{Name: "crash", Description: "end without an answer"}, crash)
	mcp.AddTool(server, &mcp.Tool{Name: "grow", Description: "add a tool, which clients are told of"},
		func(_ context.Context, _ *mcp.CallToolRequest, in textInput) (*mcp.CallToolResult, any, error) {
			mcp.AddTool(server, &mcp.Tool{Name: in.Text}, echo)
			return text("grown"), nil, nil
		})
	if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		fmt.Fprintln(os.Stderr, "testserver:", err)
		os.Exit(1)
	}
}

type textInput struct {
	Text string `json:"text"`
}

type stepsInput struct {
	Steps int `json:"steps"`
}

type fileInput struct {
	File string `json:"file"`
}

type recordInput struct {
	File         string `json:"file"`
	Text         string `json:"text"`
	Milliseconds int    `json:"milliseconds"`
}

type reportInput struct {
	URL          string `json:"url"`
	Text         string `json:"text"`
	Milliseconds int    `json:"milliseconds"`
}

// who answers "<instance> <process id> <process id of its parent>".
func who(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	return text(fmt.Sprintf("%s %d %d", os.Getenv("MOORING_INSTANCE"), os.Getpid(), os.Getppid())), nil, nil
}

// span answers the traceparent and the tracestate of the call.
func span(_ context.Context, req *mcp.CallToolRequest, _ textInput) (*mcp.CallToolResult, any, error) {
	return text(fmt.Sprintf("%v %v", req.Params.Meta["traceparent"], req.Params.Meta["tracestate"])), nil, nil
}

// environment answers the names of all variables that this process has.
func environment(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	var names []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		names = append(names, name)
	}
	return text(strings.Join(names, " ")), nil, nil
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in textInput) (*mcp.CallToolResult, any, error) {
	return text(in.Text), nil, nil
}

func progress(ctx context.Context, req *mcp.CallToolRequest, in stepsInput) (*mcp.CallToolResult, any, error) {
	for step := range in.Steps {
		if err := tell(ctx, req, step+1, in.Steps); err != nil {
			return nil, nil, err
		}
	}
	return text("done"), nil, nil
}

func ask(ctx context.Context, req *mcp.CallToolRequest, in textInput) (*mcp.CallToolResult, any, error) {
	answer, err := req.Session.CreateMessage(ctx, &mcp.CreateMessageParams{
		MaxTokens: 10,
		Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: in.Text}}},
	})
	if err != nil {
		return nil, nil, err
	}
	return &mcp.CallToolResult{Content: []mcp.Content{answer.Content}}, nil, nil
}

// hold reports progress as long as it holds, so that its caller sees that the
// stream lives.
func hold(ctx context.Context, req *mcp.CallToolRequest, in fileInput) (*mcp.CallToolResult, any, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for step := 1; ; step++ {
		if _, err := os.Stat(in.File); err == nil {
			return text("released"), nil, nil
		}
		if err := tell(ctx, req, step, 0); err != nil {
			return nil, nil, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// record leaves a trace of each call that was run.
func record(_ context.Context, _ *mcp.CallToolRequest, in recordInput) (*mcp.CallToolResult, any, error) {
	f, err := os.OpenFile(in.File, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	_, err = fmt.Fprintln(f, in.Text)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, nil, err
	}
	time.Sleep(time.Duration(in.Milliseconds) * time.Millisecond)
	return text(os.Getenv("MOORING_INSTANCE")), nil, nil
}

// process is "<host> <process id> <random text>", which no other process ever is.
type process string

func newProcess() (process, error) {
	host, err := os.Hostname()
	return process(fmt.Sprintf("%s %d %s", host, os.Getpid(), rand.Text())), err
}

// report is record for servers whose files the test cannot read.
func (p process) report(ctx context.Context, _ *mcp.CallToolRequest, in reportInput) (*mcp.CallToolResult, any, error) {
	body := strings.NewReader(url.Values{"text": {in.Text}, "process": {string(p)}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.URL, body)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	if err := res.Body.Close(); err != nil {
		return nil, nil, err
	}
	time.Sleep(time.Duration(in.Milliseconds) * time.Millisecond)
	return text(string(p)), nil, nil
}

func crash(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	fmt.Fprintln(os.Stderr, "testserver: told to crash")
	os.Exit(9)
	return nil, nil, nil
}

// tell reports progress to a caller that wants it.
func tell(ctx context.Context, req *mcp.CallToolRequest, step, steps int) error {
	token := req.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	return req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
		ProgressToken: token, Progress: float64(step), Total: float64(steps),
	})
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
