package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// serveStdio is a server that answers initialize, and all else with result.
func serveStdio(result func(method string) string) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil || m.ID == nil {
			continue
		}
		reply := `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}`
		if m.Method != "initialize" {
			reply = result(m.Method)
		}
		fmt.Printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n", m.ID, reply)
	}
}

// unborn is a server that answers the probe, and ends when a session begins.
func unborn() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if !strings.Contains(lines.Text(), `"id":"probe"`) {
			os.Exit(5)
		}
		fmt.Println(`{"jsonrpc":"2.0","id":"probe","result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`)
	}
}

// slow is a server whose tool reports progress, and answers once the file that
// BRIDGE_TEST_RELEASE names is there.
func slow() {
	serveStdio(func(method string) string {
		if method != "tools/call" {
			return "{}"
		}
		fmt.Println(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}`)
		for {
			if _, err := os.Stat(os.Getenv("BRIDGE_TEST_RELEASE")); err == nil {
				return `{"content":[{"type":"text","text":"late"}]}`
			}
			time.Sleep(time.Millisecond)
		}
	})
}
