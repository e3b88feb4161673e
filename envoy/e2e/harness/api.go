package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/envoytest"
)

// Answer is an HTTP answer, read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// URL is the gateway's address with the path.
func (m *Mooring) URL(path string) string { return "http://" + m.Listen + path }

// Do sends a request, with headers as pairs of name and value; the name Host
// sets the host.
func (m *Mooring) Do(method, path, body string, headers ...string) (Answer, error) {
	req, err := http.NewRequest(method, m.URL(path), strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := m.client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return Answer{Status: res.StatusCode, Header: res.Header, Body: string(text)}, err
}

// MustDo is Do that fails the test unless the answer has the status.
func (m *Mooring) MustDo(status int, method, path, body string, headers ...string) Answer {
	m.tb.Helper()
	answer, err := m.Do(method, path, body, headers...)
	if err != nil {
		m.tb.Fatalf("%s %s: %v", method, path, err)
	}
	if answer.Status != status {
		m.tb.Fatalf("%s %s: status %d, not %d: %s", method, path, answer.Status, status, answer.Body)
	}
	return answer
}

// API is MustDo with a JSON body.
func (m *Mooring) API(status int, method, path, body string) Answer {
	m.tb.Helper()
	return m.MustDo(status, method, path, body, "Content-Type", "application/json")
}

// TestServer is an adapter of that name which runs the test server.
func (m *Mooring) TestServer(name string, replicas int) adapters.Spec {
	return adapters.Spec{
		Name: name, ImageName: adapters.BridgeImage, ImageVersion: "1.0.0", ReplicaCount: replicas, RequiredRoles: []string{},
		EnvironmentVariables: map[string]string{"MCP_COMMAND": Program(m.tb, "testserver")},
	}
}

// Create posts the adapter.
func (m *Mooring) Create(spec adapters.Spec) Answer {
	m.tb.Helper()
	return m.API(http.StatusCreated, http.MethodPost, "/adapters", JSON(m, spec))
}

// Deploy posts the adapter and waits until all its replicas are ready.
func (m *Mooring) Deploy(spec adapters.Spec) {
	m.tb.Helper()
	m.Create(spec)
	m.AwaitReady(spec.Name, spec.ReplicaCount, 30*time.Second)
}

// Payload is the example of that name in docs/payloads.
func (m *Mooring) Payload(name string) string {
	m.tb.Helper()
	text, err := os.ReadFile(filepath.Join(envoytest.ModuleRoot(m.tb), "docs", "payloads", name+".json"))
	if err != nil {
		m.tb.Fatalf("reading payload: %v", err)
	}
	return string(text)
}

// Status is the adapter's status.
func (m *Mooring) Status(name string) adapters.Status {
	m.tb.Helper()
	status, err := m.TryStatus(name)
	if err != nil {
		m.tb.Fatal(err)
	}
	return status
}

// TryStatus is Status for when the API may be away.
func (m *Mooring) TryStatus(name string) (adapters.Status, error) {
	var status adapters.Status
	answer, err := m.Do(http.MethodGet, "/adapters/"+name+"/status", "")
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
	}
	if err == nil {
		err = json.Unmarshal([]byte(answer.Body), &status)
	}
	if err != nil {
		return status, fmt.Errorf("asking for the status of %s: %w", name, err)
	}
	return status, nil
}

// AwaitReady waits until the status says that so many replicas are ready and
// Envoy has them: from then on they can be called.
func (m *Mooring) AwaitReady(name string, replicas int, timeout time.Duration) {
	m.tb.Helper()
	var status adapters.Status
	defer func() {
		if m.tb.Failed() {
			m.tb.Logf("the last status of %s: %+v", name, status)
		}
	}()
	m.Await(name+" is ready", timeout, func() bool {
		var err error
		status, err = m.TryStatus(name)
		return err == nil && status.ReadyReplicas == replicas && status.UpdatedReplicas == replicas && programmed(status)
	})
}

// Metrics is what the operations listener shows of envoy, xds, extproc or
// adapters/NAME/INSTANCE.
func (m *Mooring) Metrics(of string) (string, error) { return m.scrape(of, "") }

// OpenMetrics is Metrics in the form of OpenMetrics, which has exemplars.
func (m *Mooring) OpenMetrics(of string) (string, error) {
	return m.scrape(of, "application/openmetrics-text; version=1.0.0")
}

func (m *Mooring) scrape(of, accept string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+m.OpsListen+"/metrics/"+of, nil)
	if err != nil {
		return "", err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := m.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("metrics of %s: status %d", of, res.StatusCode)
	}
	return string(text), err
}

func programmed(status adapters.Status) bool {
	for _, c := range status.Conditions {
		if c.Type == adapters.ConditionProgrammed {
			return c.Status == "True"
		}
	}
	return false
}

// The newest protocol version of each era.
const (
	Legacy = "2025-11-25"
	Modern = "2026-07-28"
)

// Connect opens a session with the adapter, in the legacy era, as a client
// without capabilities of its own.
func (m *Mooring) Connect(ctx context.Context, name string) *mcp.ClientSession {
	m.tb.Helper()
	session, err := m.TryConnect(ctx, name, nil)
	if err != nil {
		m.tb.Fatalf("connecting to %s: %v", name, err)
	}
	m.tb.Cleanup(func() { _ = session.Close() })
	return session
}

// TryConnect is Connect with options, for the caller to close.
func (m *Mooring) TryConnect(ctx context.Context, name string, opts *mcp.ClientOptions) (*mcp.ClientSession, error) {
	return m.TryConnectAs(ctx, name, Legacy, opts)
}

// TryConnectAs is TryConnect of a client that begins with the protocol version.
func (m *Mooring) TryConnectAs(ctx context.Context, name, version string, opts *mcp.ClientOptions) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1.0.0"}, opts)
	transport := &mcp.StreamableClientTransport{
		Endpoint: m.URL("/adapters/" + name + "/mcp"), HTTPClient: m.client, MaxRetries: -1,
	}
	return client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
}

// Call calls a tool and returns the text of its answer.
func Call(ctx context.Context, session *mcp.ClientSession, tool string, arguments any) (string, error) {
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", err
	}
	return Text(result), nil
}

// Text is the text of a result.
func Text(result *mcp.CallToolResult) string {
	var all []string
	for _, content := range result.Content {
		if text, ok := content.(*mcp.TextContent); ok {
			all = append(all, text.Text)
		}
	}
	return strings.Join(all, "\n")
}

// JSON is v as JSON.
func JSON(m *Mooring, v any) string {
	m.tb.Helper()
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(v); err != nil {
		m.tb.Fatalf("encoding: %v", err)
	}
	return text.String()
}
