package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
)

// recorder is a replica that keeps what it was asked.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the client went away
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := req.Method + " " + req.RequestURI + " " + string(body)
	if extra, ok := req.Header["X-A"]; ok {
		seen += fmt.Sprintf(" X-A: %q", extra)
	}
	r.seen = append(r.seen, seen)
	w.WriteHeader(http.StatusOK)
}

// take returns what was asked since the last call.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// exchange sends text on a connection of its own and returns the statuses of all
// answers until Envoy closes it, or says nothing more.
func exchange(t *testing.T, address, text string) []int {
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
	var statuses []int
	for r := bufio.NewReader(conn); ; {
		// What was smuggled in would be answered at once too.
		if len(statuses) > 0 {
			if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
		res, err := http.ReadResponse(r, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) && len(statuses) == 0 {
			t.Fatal("no answer, and the connection stays open")
		}
		if err != nil {
			return statuses
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		statuses = append(statuses, res.StatusCode)
	}
}

// TestRawRequests speaks to Envoy in ways that no client library does: what one
// server might read otherwise than another is refused, and no adapter sees it.
func TestRawRequests(t *testing.T) {
	g := newGateway(t, nil)
	upstream := new(recorder)
	g.serve("r", upstream)
	a := g.add("one", adapters.Instance{ID: "r", Address: g.socket("r"), State: adapters.InstanceReady})
	g.startEnvoy()
	g.awaitProgrammed(a, "True")
	const path = "/adapters/one/mcp"
	const smuggled = "GET " + path + "?smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n"
	post := func(headers string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n" + headers
	}
	for name, c := range map[string]struct {
		text string
		want []int
		seen []string
	}{
		"in order":             {post("Content-Length: 2\r\n\r\n{}"), []int{200}, []string{"POST /mcp {}"}},
		"chunks in order":      {post("Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n"), []int{200}, []string{"POST /mcp {}"}},
		"a GET with a body":    {"GET " + path + " HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\n{}", []int{200}, []string{"GET /mcp {}"}},
		"two in order":         {post("Content-Length: 2\r\n\r\n{}") + post("Content-Length: 2\r\n\r\n[]"), []int{200, 200}, []string{"POST /mcp {}", "POST /mcp []"}},
		"two hosts":            {"GET " + path + " HTTP/1.1\r\nHost: HOST\r\nHost: evil.example.com\r\n\r\n", []int{421}, nil},
		"two hosts, the same":  {"GET " + path + " HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n", []int{421}, nil},
		"no host":              {"GET " + path + " HTTP/1.1\r\n\r\n", []int{400}, nil},
		"HTTP/1.0":             {"GET " + path + " HTTP/1.0\r\nHost: HOST\r\n\r\n", []int{426}, nil},
		"HTTP/0.9":             {"GET " + path + "\r\n\r\n", []int{426}, nil},
		"absolute target":      {"GET http://HOST" + path + " HTTP/1.1\r\nHost: HOST\r\n\r\n", []int{404}, nil},
		"another's target":     {"GET http://evil.example.com" + path + " HTTP/1.1\r\nHost: HOST\r\n\r\n", []int{404}, nil},
		"target of the API":    {"GET http://HOST/adapters HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", []int{404}, nil},
		"asterisk":             {"OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n", []int{404}, nil},
		"CONNECT":              {"CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n", []int{403}, nil},
		"CONNECT, with a path": {"CONNECT " + path + " HTTP/1.1\r\nHost: HOST\r\n\r\n", []int{400}, nil},
		"upgrade":              {"GET " + path + " HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", []int{403}, nil},
		"fragment":             {"GET " + path + "#x HTTP/1.1\r\nHost: HOST\r\n\r\n", []int{400}, nil},

		"length and chunks":      {post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") + smuggled, []int{400}, nil},
		"chunks and length":      {post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n") + smuggled, []int{400}, nil},
		"two lengths":            {post("Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}") + smuggled, []int{400}, nil},
		"two lengths, the same":  {post("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"), []int{400}, nil},
		"lengths in one":         {post("Content-Length: 2, 2\r\n\r\n{}"), []int{400}, nil},
		"length with a sign":     {post("Content-Length: +2\r\n\r\n{}"), []int{400}, nil},
		"negative length":        {post("Content-Length: -2\r\n\r\n{}"), []int{400}, nil},
		"length too long":        {post("Content-Length: 18446744073709551618\r\n\r\n{}"), []int{400}, nil},
		"unknown coding":         {post("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n") + smuggled, []int{501}, nil},
		"coding after chunked":   {post("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n") + smuggled, []int{501}, nil},
		"codings twice":          {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n") + smuggled, []int{501}, nil},
		"coding with a tab":      {post("Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n") + smuggled, []int{400}, nil},
		"space before the colon": {post("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n") + smuggled, []int{400}, nil},
		"NUL in a header":        {post("X-A: b\x00c\r\nContent-Length: 2\r\n\r\n{}"), []int{400}, nil},

		// A chunk is found broken when the request is being judged: Envoy closes the
		// connection, without an answer where the route shows those.
		"size that is no number":   {post("Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n") + smuggled, nil, nil},
		"size too large":           {post("Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n") + smuggled, nil, nil},
		"chunk longer than said":   {post("Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n") + smuggled, nil, nil},
		"chunks with line feeds":   {post("Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n") + smuggled, nil, nil},
		"extension with line feed": {post("Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n") + smuggled, nil, nil},

		// Envoy reads these as RFC 9112 lets it, and writes them anew: an adapter
		// sees what was judged, with nothing in it that could be read otherwise.
		"folded header":        {post("X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}"), []int{200}, []string{`POST /mcp {} X-A: ["b c"]`}},
		"folded coding":        {post("Transfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), []int{200}, []string{"POST /mcp {}"}},
		"bare line feeds":      {strings.ReplaceAll(post("Content-Length: 2\r\n\r\n"), "\r\n", "\n") + "{}", []int{200}, []string{"POST /mcp {}"}},
		"one bare line feed":   {post("X-A: b\nContent-Length: 2\r\n\r\n{}"), []int{200}, []string{`POST /mcp {} X-A: ["b"]`}},
		"bare carriage return": {post("X-A: b\rContent-Length: 2\r\n\r\n"), []int{200}, []string{`POST /mcp  X-A: ["bContent-Length: 2"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			upstream.take()
			got := exchange(t, g.listen, strings.ReplaceAll(c.text, "HOST", g.listen))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.seen, upstream.take()); diff != "" {
				t.Errorf("the adapter saw (-want +got):\n%s", diff)
			}
		})
	}
}
