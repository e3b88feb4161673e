package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// initialize is the first message of a client of the legacy era.
const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
	`"capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}`

// Raw is a session of the legacy era, spoken without a library: it shows what
// comes over the wire.
type Raw struct {
	// ID is the session's id.
	ID string

	m    *Mooring
	path string
}

// Initialize opens a session with the adapter. The headers, pairs of name and
// value, are those of the first message.
func (m *Mooring) Initialize(adapter string, headers ...string) Raw {
	m.tb.Helper()
	r := Raw{m: m, path: "/adapters/" + adapter + "/mcp"}
	answer := r.Post(initialize, headers...)
	if answer.Status != http.StatusOK {
		m.tb.Fatalf("initialising %s: status %d: %s", adapter, answer.Status, answer.Body)
	}
	if r.ID = answer.Header.Get("Mcp-Session-Id"); r.ID == "" {
		m.tb.Fatalf("initialising %s: no session id", adapter)
	}
	if answer := r.Post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); answer.Status != http.StatusAccepted {
		m.tb.Fatalf("initialising %s: the notification: status %d: %s", adapter, answer.Status, answer.Body)
	}
	return r
}

// TryInitialize only says how the adapter answers initialize.
func (m *Mooring) TryInitialize(adapter string) Answer {
	m.tb.Helper()
	return Raw{m: m, path: "/adapters/" + adapter + "/mcp"}.Post(initialize)
}

// OpenAndEnd opens a session with the adapter and ends it. It may be called from
// any goroutine.
func (m *Mooring) OpenAndEnd(adapter string) error {
	r := Raw{m: m, path: "/adapters/" + adapter + "/mcp"}
	answer, err := r.Try(http.MethodPost, initialize)
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("opening a session: status %d: %s", answer.Status, answer.Body)
	}
	answer, err = r.With(answer.Header.Get("Mcp-Session-Id")).Try(http.MethodDelete, "")
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	if answer.Status >= 300 {
		return fmt.Errorf("ending a session: status %d: %s", answer.Status, answer.Body)
	}
	return nil
}

// With is the session with another id.
func (r Raw) With(id string) Raw {
	r.ID = id
	return r
}

// At is the session's id used with another adapter.
func (r Raw) At(adapter string) Raw {
	r.path = "/adapters/" + adapter + "/mcp"
	return r
}

// Post sends a message.
func (r Raw) Post(body string, headers ...string) Answer {
	r.m.tb.Helper()
	return r.Send(http.MethodPost, body, headers...)
}

// Send sends a request of the session. The test fails where no answer comes.
func (r Raw) Send(method, body string, headers ...string) Answer {
	r.m.tb.Helper()
	answer, err := r.Try(method, body, headers...)
	if err != nil {
		r.m.tb.Fatalf("%s %s: %v", method, r.path, err)
	}
	return answer
}

// Try is Send for when no answer may come.
func (r Raw) Try(method, body string, headers ...string) (Answer, error) {
	return r.m.Do(method, r.path, body, append(r.headers(), headers...)...)
}

// MustCall calls a tool without arguments and returns the text of its result.
func (r Raw) MustCall(tool string) string {
	r.m.tb.Helper()
	text, err := r.Call(tool, `{}`)
	if err != nil {
		r.m.tb.Fatal(err)
	}
	return text
}

// Call calls a tool with arguments in JSON and returns the text of its result.
func (r Raw) Call(tool, arguments string) (string, error) {
	answer, err := r.Try(http.MethodPost,
		fmt.Sprintf(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments))
	if err != nil {
		return "", err
	}
	if answer.Status != http.StatusOK {
		return "", fmt.Errorf("calling %s: status %d: %s", tool, answer.Status, answer.Body)
	}
	return resultText(answer)
}

// Stream opens the session's stream for what the server sends by itself.
func (r Raw) Stream(ctx context.Context) (*Stream, error) {
	return r.open(ctx, http.MethodGet, "")
}

// Resume opens the stream that the event belongs to again, after that event.
func (r Raw) Resume(ctx context.Context, lastID string) (*Stream, error) {
	return r.open(ctx, http.MethodGet, "", "Last-Event-Id", lastID)
}

// CallStream calls a tool, with the progress token "p", and returns the stream
// of its answer, which must be one.
func (r Raw) CallStream(ctx context.Context, tool, arguments string) (*Stream, error) {
	return r.open(ctx, http.MethodPost, fmt.Sprintf(
		`{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{"progressToken":"p"}}}`,
		tool, arguments))
}

func (r Raw) open(ctx context.Context, method, body string, more ...string) (*Stream, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.m.URL(r.path), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	headers := append(r.headers(), more...)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if method == http.MethodGet {
		req.Header.Set("Accept", "text/event-stream")
	}
	res, err := r.m.client.Do(req)
	if err != nil {
		return nil, err
	}
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return nil, fmt.Errorf("status %d, content type %q: %s", res.StatusCode, kind, text)
	}
	return &Stream{body: res.Body, lines: bufio.NewReader(res.Body)}, nil
}

func (r Raw) headers() []string {
	headers := []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}
	if r.ID != "" {
		headers = append(headers, "Mcp-Session-Id", r.ID, "Mcp-Protocol-Version", "2025-11-25")
	}
	return headers
}

// Stream is an open stream of events.
type Stream struct {
	// LastID is the id of the last event that was read.
	LastID string

	body  io.ReadCloser
	lines *bufio.Reader
}

// Next is the data of the next event that has any. io.EOF is the stream's end
// in order.
func (s *Stream) Next() (string, error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		if id, ok := strings.CutPrefix(line, "id:"); ok {
			s.LastID = strings.TrimSpace(id)
		}
		if data, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "data:"); ok && strings.TrimSpace(data) != "" {
			return strings.TrimSpace(data), nil
		}
	}
}

// Until reads events until one contains text, and returns that one.
func (s *Stream) Until(text string) (string, error) {
	for {
		data, err := s.Next()
		if err != nil {
			return "", fmt.Errorf("awaiting an event with %q: %w", text, err)
		}
		if strings.Contains(data, text) {
			return data, nil
		}
	}
}

// Close closes the stream.
func (s *Stream) Close() error { return s.body.Close() }

// resultText is the text of a tool's result in a JSON answer or in a stream.
func resultText(answer Answer) (string, error) {
	message := answer.Body
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		s := &Stream{lines: bufio.NewReader(strings.NewReader(answer.Body))}
		var err error
		if message, err = s.Until(`"result"`); err != nil {
			return "", err
		}
	}
	var response struct {
		Result struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"result"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal([]byte(message), &response); err != nil {
		return "", fmt.Errorf("reading a result: %w", err)
	}
	if len(response.Error) > 0 || len(response.Result.Content) == 0 {
		return "", fmt.Errorf("no text in the result: %s", message)
	}
	return response.Result.Content[0].Text, nil
}
