package server_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/keys"
)

const beginning = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`

// begin begins a session of each user at each adapter.
func (w *world) begin() {
	w.t.Helper()
	for _, adapter := range []string{inspect, fast} {
		for _, user := range users() {
			var id string
			w.await("a session of "+user.name+" at "+adapter, func() bool {
				a := w.send(request{method: "POST", path: "/adapters/" + adapter + "/mcp", body: beginning, headers: []string{
					"Authorization", "Bearer " + w.issuer.sign(user.claims()), "Content-Type", "application/json",
				}})
				id = a.header.Get("Mcp-Session-Id")
				return a.status == http.StatusOK && id != ""
			})
			w.births[adapter+" "+user.name] = claimsOf(w.t, id)
		}
	}
}

// user is somebody who may use the twins.
type user struct {
	name  string
	roles []string
}

func users() []user {
	return []user{{"ann", nil}, {"bob", []string{"x", ownRole}}, {"root", []string{adapters.AdminRole}}}
}

func (u user) claims() map[string]any {
	return map[string]any{"sub": u.name, "roles": u.roles}
}

func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	claims := map[string]any{}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// mint signs a session token as the external processor does.
func (w *world) mint(claims map[string]any) string {
	w.t.Helper()
	ring, err := keys.Open(keys.Session, w.folder, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := ring.Sign(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// request is sent as it stands, each header as often as it is there.
type request struct {
	method, path string
	headers      []string
	body         string
	chunked      bool
}

// send sends r on a connection of its own.
func (w *world) send(r request) answer {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.listen)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.method, r.path, w.listen)
	for i := 0; i < len(r.headers); i += 2 {
		fmt.Fprintf(&text, "%s: %s\r\n", r.headers[i], r.headers[i+1])
	}
	switch {
	case r.chunked:
		fmt.Fprintf(&text, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(r.body), r.body)
	case r.body != "":
		fmt.Fprintf(&text, "Content-Length: %d\r\n\r\n%s", len(r.body), r.body)
	default:
		text.WriteString("\r\n")
	}
	// Who is refused while still sending may find the connection closed before all
	// is sent, and has the answer all the same.
	_, unsent := io.WriteString(conn, text.String())
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.method})
	if err != nil {
		w.t.Fatalf("%s %s: %v, sending: %v", r.method, r.path, err, unsent)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// judged is how many requests the external processor was asked about.
func (w *world) judged() int {
	w.t.Helper()
	text := string(w.envoy.AdminGet("/stats?filter=ext_proc.*streams_started"))
	_, number, _ := strings.Cut(strings.TrimSpace(text), ": ")
	count, err := strconv.Atoi(number)
	if err != nil {
		w.t.Fatalf("the count of judged requests is %q", text)
	}
	return count
}
