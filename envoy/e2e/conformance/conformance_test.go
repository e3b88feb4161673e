package conformance

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/conformance/suite"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

const (
	legacy = "2025-11-25"
	modern = "2026-07-28"

	// suiteTimeout is many times what a run takes.
	suiteTimeout = 3 * time.Minute

	referenceServer = "github.com/modelcontextprotocol/go-sdk/conformance/everything-server"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestConformance compares the reference server with itself behind Mooring:
// over HTTP behind the bridge's proxy, and on stdio behind the bridge.
func TestConformance(t *testing.T) {
	server := buildReferenceServer(t)
	m := harness.Start(t)
	installed := installedSuite(t)

	direct := map[string]suite.Outcome{}
	remote := map[string]string{}
	for revision, flags := range map[string][]string{legacy: {"-stateless=false"}, modern: nil} {
		remote[revision] = startReferenceServer(t, server, flags...)
		direct[revision] = mustRun(t, installed, remote[revision], revision)
	}
	rows := []struct {
		adapter, revision string
		environment       map[string]string
	}{
		{"http-legacy", legacy, map[string]string{"MCP_PROXY_URL": remote[legacy]}},
		{"http-modern", modern, map[string]string{"MCP_PROXY_URL": remote[modern]}},
		{"stdio-legacy", legacy, map[string]string{"MCP_COMMAND": server}},
		{"stdio-modern", modern, map[string]string{"MCP_COMMAND": server}},
	}
	var table strings.Builder
	for _, row := range rows {
		m.Deploy(adapters.Spec{
			Name: row.adapter, ImageName: adapters.BridgeImage, ImageVersion: "1.0.0",
			EnvironmentVariables: row.environment, ReplicaCount: 1,
		}.Normalize())
		through := mustRun(t, installed, m.URL("/adapters/"+row.adapter+"/mcp"), row.revision)
		missing := suite.Lost(direct[row.revision], through)
		fmt.Fprintf(&table, "%-14s %s   scored checks passed: direct %3d, through Mooring %3d; lost %d\n",
			row.adapter, row.revision, direct[row.revision].Scored(), through.Scored(), len(missing))
		for _, c := range missing {
			t.Errorf("%s: check %s of scenario %s passes directly and is lost through Mooring", row.adapter, c.ID, c.Scenario)
		}
	}
	t.Logf("\n%s", table.String())
}

func mustRun(t *testing.T, s suite.Suite, url, revision string) suite.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	found, err := s.Run(ctx, url, revision, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if found.Scored() == 0 {
		t.Fatalf("no scored check of %s passed at %s", revision, url)
	}
	return found
}

// installedSuite is the suite as `make conformance-suite` installs it.
func installedSuite(t *testing.T) suite.Suite {
	t.Helper()
	dir, err := filepath.Abs("../../../.tools/conformance")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".bin", "conformance")); err != nil {
		t.Fatalf("the conformance suite is not installed; run `make conformance-suite`: %v", err)
	}
	return suite.Suite{Dir: dir}
}

func buildReferenceServer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "everything-server")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, referenceServer)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the reference server: %v\n%s", err, out)
	}
	return path
}

// startReferenceServer serves the reference server on HTTP until the test ends
// and returns its URL.
func startReferenceServer(t *testing.T, program string, flags ...string) string {
	t.Helper()
	address := fmt.Sprintf("localhost:%d", envoytest.FreePort(t))
	cmd := exec.Command(program, append([]string{"-http=" + address}, flags...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("ending the reference server: %v", err)
		}
		_ = cmd.Wait() // it was killed
	})
	harness.Await(t, "the reference server listens", 20*time.Second, func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return "http://" + address + "/mcp"
}
