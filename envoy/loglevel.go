package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/mooring-mcp/mooring/adapters/logging"
	"github.com/mooring-mcp/mooring/envoy/internal/state"
)

// logLevelCommand is the first argument that changes what a running Mooring logs.
const logLevelCommand = "log-level"

// logLevel sets the level of all parts of the Mooring that runs on a state folder,
// named after the level or by MOORING_STATE, until they end.
func logLevel(out io.Writer, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("usage: mooring log-level debug|info|warn|error [STATE FOLDER]")
	}
	level, root := args[0], os.Getenv("MOORING_STATE")
	if len(args) == 2 {
		root = args[1]
	}
	if root == "" {
		root = "./.state"
	}
	runtime, err := state.RuntimeOf(root)
	if err != nil {
		return err
	}
	requests, err := levelRequests(runtime, level)
	if err != nil {
		return err
	}
	var faults []error
	for _, r := range requests {
		if err := r.send(); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", r.part, err))
			continue
		}
		fmt.Fprintln(out, r.part)
	}
	return errors.Join(faults...)
}

// levelRequest tells one part its level.
type levelRequest struct{ part, socket, method, path, body string }

// levelRequests are one for each part, the bridges included.
func levelRequests(runtime, level string) ([]levelRequest, error) {
	forEnvoy := envoyLevels[level]
	if forEnvoy == "" {
		return nil, fmt.Errorf("%q is none of debug, info, warn, error", level)
	}
	socket := func(name string) string { return filepath.Join(runtime, name+".sock") }
	all := []levelRequest{
		{"extproc", socket(extProcOpsSocket), http.MethodPut, logging.LevelPath, level},
		{"xds", socket(xdsOpsSocket), http.MethodPut, logging.LevelPath, level},
		{"envoy", socket(adminSocket), http.MethodPost, "/logging?level=" + forEnvoy, ""},
	}
	bridges, err := filepath.Glob(filepath.Join(runtime, "b", "*.sock"))
	if err != nil {
		return nil, fmt.Errorf("finding bridges: %w", err)
	}
	for _, path := range bridges {
		name := "bridge " + strings.TrimSuffix(filepath.Base(path), ".sock")
		all = append(all, levelRequest{name, path, http.MethodPut, logging.LevelPath, level})
	}
	return all, nil
}

func (r levelRequest) send() error {
	client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", r.socket)
		},
	}}
	req, err := http.NewRequest(r.method, "http://part"+r.path, strings.NewReader(r.body))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return errors.New("does not answer at " + r.socket)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}
