package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// answer is what a client was given.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to the public listener, with headers as name, value.
func (g *gateway) ask(method, path string, headers ...string) answer {
	g.t.Helper()
	return g.askAt(g.listen, method, path, headers...)
}

func (g *gateway) askAt(address, method, path string, headers ...string) answer {
	g.t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = bytes.NewBufferString(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	}
	r, err := http.NewRequestWithContext(g.t.Context(), method, "http://"+address+path, body)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// rawStatus is the status of the answer to text.
func rawStatus(t *testing.T, address, text string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode
}

// wantError checks that a is a JSON-RPC error that names no address.
func wantError(t *testing.T, a answer, status, code int) {
	t.Helper()
	var body struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	err := json.Unmarshal([]byte(a.body), &body)
	if err != nil || a.status != status || a.header.Get("Content-Type") != "application/json" ||
		body.JSONRPC != "2.0" || string(body.ID) != "null" || body.Error.Code != code || body.Error.Message == "" ||
		strings.Contains(a.body, os.TempDir()) || strings.Contains(a.body, "127.0.0.1") {
		t.Errorf("answer %v (%v), want status %d and JSON-RPC error %d", a, err, status, code)
	}
}

// wantProblem checks that a is a problem as RFC 9457 has it.
func wantProblem(t *testing.T, a answer, status int) {
	t.Helper()
	var body struct {
		Status int    `json:"status"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	err := json.Unmarshal([]byte(a.body), &body)
	if err != nil || a.status != status || body.Status != status || body.Title == "" || body.Detail == "" ||
		a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer %v (%v), want a problem with status %d", a, err, status)
	}
}
