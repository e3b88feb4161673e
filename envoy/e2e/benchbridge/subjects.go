package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
)

// direct is the name of the way that others are compared with.
const direct = "direct"

// subject is one way from the client to the server.
type subject struct {
	name string
	// shared says that all sessions have one server process.
	shared bool
	// argv is what to run so that it serves at the port; files may go to dir.
	argv func(port int, dir string) ([]string, error)
	env  []string
	path string // of the URL
}

// subjects are all ways that can be taken here. command is the stdio server.
func subjects(cfg Config, self string, command []string) []subject {
	line := strings.Join(command, " ")
	bridge := func(name string, shared bool, env ...string) subject {
		return subject{name: name, shared: shared, path: "/mcp",
			env: append(env, "MCP_COMMAND="+command[0], "MCP_ARGS="+strings.Join(command[1:], " "), "MOORING_MAX_SESSIONS=500", "MOORING_LOG_LEVEL=warn"),
			argv: func(port int, dir string) ([]string, error) {
				return []string{cfg.Bridge, "--listen", address(port), "--state-dir", filepath.Join(dir, name)}, nil
			}}
	}
	other := func(name, program string, shared bool, path string, args func(port string, dir string) ([]string, error)) subject {
		file := filepath.Join(cfg.Others, program)
		return subject{name: name, shared: shared, path: path, argv: func(port int, dir string) ([]string, error) {
			if _, err := os.Stat(file); err != nil {
				return nil, err
			}
			more, err := args(fmt.Sprint(port), dir)
			return append([]string{file}, more...), err
		}}
	}
	plain := func(args ...string) ([]string, error) { return args, nil }
	return []subject{
		{name: direct, shared: true, path: "/", argv: func(port int, _ string) ([]string, error) {
			return plain(self, modeHTTP, fmt.Sprint(port))
		}},
		bridge("bridge shared", true, "MCP_PROCESS=shared"),
		bridge("bridge", false),
		bridge("bridge, no spares", false, "MCP_SPARES=0"),
		bridge("bridge, npx resident", false, "MCP_SPARES=0", "MCP_DIRECT=never"),
		other("tbxark mcp-proxy", "bin/mcp-proxy", true, "/echo/mcp", func(port, dir string) ([]string, error) {
			file, err := tbxarkConfig(dir, port, command)
			return []string{"--config", file}, err
		}),
		other("mcp-proxy (PyPI)", "python/bin/mcp-proxy", true, "/mcp", func(port, _ string) ([]string, error) {
			return plain(append([]string{"--pass-environment", "--log-level", "ERROR", "--port", port, "--"}, command...)...)
		}),
		other("fastmcp proxy", "python/bin/python", true, "/mcp", func(port, dir string) ([]string, error) {
			file := filepath.Join(dir, "fastmcp-proxy.py")
			return append([]string{file, port}, command...), os.WriteFile(file, []byte(fastmcpProxy), 0o600)
		}),
		other("supergateway --stateful", "node_modules/.bin/supergateway", false, "/mcp", func(port, _ string) ([]string, error) {
			return plain("--stdio", line, "--outputTransport", "streamableHttp", "--stateful", "--port", port, "--logLevel", "none")
		}),
		other("mcp-proxy (npm)", "node_modules/.bin/mcp-proxy", true, "/mcp", func(port, _ string) ([]string, error) {
			return plain(append([]string{"--host", "127.0.0.1", "--port", port, "--server", "stream", "--"}, command...)...)
		}),
	}
}

// tbxarkConfig writes the configuration of TBXark's proxy.
func tbxarkConfig(dir, port string, command []string) (string, error) {
	return writeJSON(filepath.Join(dir, "tbxark.json"), map[string]any{
		"mcpProxy": map[string]any{
			"baseURL": "http://127.0.0.1:" + port, "addr": "127.0.0.1:" + port, "name": "bench", "version": "1",
			"type": "streamable-http", "options": map[string]any{"logEnabled": false},
		},
		"mcpServers": map[string]any{"echo": map[string]any{"command": command[0], "args": command[1:]}},
	})
}

// fastmcpProxy is a proxy with one connection to the server, as fastmcp's
// documentation has it. Without that connection it initialises its process anew
// for each session, which servers written with the Go SDK refuse.
const fastmcpProxy = `import asyncio, sys
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy

async def main():
    async with Client(StdioTransport(sys.argv[2], sys.argv[3:])) as client:
        await create_proxy(client).run_async(
            transport="http", host="127.0.0.1", port=int(sys.argv[1]), path="/mcp", show_banner=False, log_level="ERROR")

asyncio.run(main())
`

func writeJSON(file string, value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("writing a configuration: %w", err)
	}
	return file, os.WriteFile(file, text, 0o600)
}
