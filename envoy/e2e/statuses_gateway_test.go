package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// statusGateway is a gateway with an adapter for each way to be refused.
type statusGateway struct {
	*harness.Mooring
	// reader, admin and stranger are the gateway to somebody with and without the
	// role that the adapters want.
	reader, admin, stranger *harness.Mooring
	// token is the reader's.
	token   string
	session harness.Raw
}

func startStatusGateway(t *testing.T) statusGateway {
	t.Helper()
	i := newIssuer(t)
	m := i.startWithIdentity(t, harness.Env("MOORING_MAX_BODY_PAUSE=500ms"))
	token := i.token("ann", []string{"reader"}, nil)
	g := statusGateway{
		Mooring: m, reader: m.As(bearer(token)...), admin: i.admin(m), token: token,
		stranger: m.As(bearer(i.token("bob", nil, nil))...),
	}
	rude := breaksOff(t)
	for name, change := range map[string]func(*adapters.Spec){
		"a":     func(*adapters.Spec) {},
		"small": func(s *adapters.Spec) { s.Limits = &adapters.TrafficLimits{RequestBodyBytes: 1000} },
		"rated": func(s *adapters.Spec) { s.Limits = &adapters.TrafficLimits{RequestsPerSecond: 1} },
		"full":  func(s *adapters.Spec) { s.Limits = &adapters.TrafficLimits{ConcurrentStreams: 1} },
		"slow":  func(s *adapters.Spec) { s.Limits = &adapters.TrafficLimits{RequestTimeoutSeconds: 1} },
		"ruled": func(s *adapters.Spec) { s.ToolRules = &adapters.ToolRules{Deny: []string{"crash"}} },
		"rude":  func(s *adapters.Spec) { s.EnvironmentVariables = map[string]string{"MCP_PROXY_URL": rude} },
	} {
		spec := m.TestServer(name, 1)
		spec.RequiredRoles = []string{"reader"}
		change(&spec)
		g.admin.Create(spec)
	}
	absent := m.TestServer("absent", 1)
	absent.RequiredRoles = []string{"reader"}
	absent.EnvironmentVariables["MCP_COMMAND"] = "/no/such/server"
	g.admin.Create(absent)
	for _, name := range []string{"a", "small", "rated", "full", "slow", "ruled", "rude"} {
		g.admin.AwaitReady(name, 1, 30*time.Second)
	}
	g.session = g.reader.Initialize("a")
	return g
}

// breaksOff is a remote server that serves sessions and breaks off lists of
// tools.
func breaksOff(t *testing.T) string {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "rude", Version: "1"}, nil)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || strings.Contains(string(body), "tools/list") {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(remote.Close)
	return remote.URL + "/mcp"
}

// do sends a request by an HTTP client.
func do(as *harness.Mooring, method, path, body string, headers ...string) func(*testing.T) (harness.Answer, error) {
	return func(*testing.T) (harness.Answer, error) {
		if !slices.Contains(headers, "Content-Type") {
			headers = append([]string{"Content-Type", "application/json"}, headers...)
		}
		return as.Do(method, path, body, append(headers, "Accept", "application/json, text/event-stream")...)
	}
}

// raw sends text as it is; HOST stands for the gateway's.
func (g statusGateway) raw(text string) func(*testing.T) (harness.Answer, error) {
	return func(t *testing.T) (harness.Answer, error) {
		conn, err := net.Dial("tcp", g.Listen)
		if err != nil {
			return harness.Answer{}, err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return harness.Answer{}, err
		}
		if _, err := io.WriteString(conn, strings.ReplaceAll(text, "HOST", g.Listen)); err != nil {
			return harness.Answer{}, err
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return harness.Answer{}, fmt.Errorf("awaiting an answer: %w", err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return harness.Answer{Status: res.StatusCode, Header: res.Header, Body: string(body)}, err
	}
}
