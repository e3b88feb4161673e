package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"

	"github.com/mooring-mcp/mooring/envoy/internal/process"
)

// startMooring starts the launcher and posts an adapter, and returns where it
// listens.
func (s *stage) startMooring(ctx context.Context) (*process.Process, string, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	opsListen, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	p, err := s.start("mooring", exec.Command(s.program("mooring"), "--state", s.path("state"),
		"--envoy", s.cfg.Envoy, "--listen", listen, "--ops-listen", opsListen, "--log-level", "warn"))
	if err != nil {
		return nil, "", err
	}
	adapter := fmt.Sprintf(`{"name":"bench","imageName":"mcp-proxy","imageVersion":"1.0.0","environmentVariables":{"MCP_PROXY_URL":"http://%s/mcp"}}`,
		s.backend.addr())
	err = eventually(ctx, "posting the adapter", func() error {
		res, err := http.Post("http://"+listen+"/adapters", "application/json", strings.NewReader(adapter))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			text, _ := io.ReadAll(res.Body)
			return fmt.Errorf("status %d: %s", res.StatusCode, bytes.TrimSpace(text))
		}
		return nil
	})
	return p, listen, err
}
