package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const maxBody = 4 << 20

// sized is a message of exactly n bytes.
func sized(n int) string {
	const head, tail = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"text":"`, `"}}}`
	filler := strings.Repeat("0123456789abcdef", n/16+1)
	return head + filler[:n-len(head)-len(tail)] + tail
}

// unsized hides the length of a reader, so that the body is sent in chunks.
func unsized(r io.Reader) io.Reader { return io.MultiReader(r) }

func TestBodiesArriveByteForByte(t *testing.T) {
	g := newGateway(t)
	session := g.initialize(t)
	for name, client := range map[string]*http.Client{"HTTP/1.1": g.client, "HTTP/2": g.http2(t)} {
		for _, size := range []int{100, 16<<10 - 1, 64 << 10, maxBody} {
			body := sized(size)
			sum := sha256.Sum256([]byte(body))
			for framing, reader := range map[string]func() io.Reader{
				"with length": func() io.Reader { return strings.NewReader(body) },
				"in chunks":   func() io.Reader { return unsized(strings.NewReader(body)) },
				"in pieces":   func() io.Reader { return unsized(&pieces{strings.NewReader(body), max(size/50, 1)}) },
			} {
				if size == maxBody && framing != "in pieces" {
					continue // parsing takes long under the race detector
				}
				for kind, headers := range map[string][]string{"session": {"Mcp-Session-Id", session}, "birth": {}} {
					g.client = client
					a := g.send(t, g.request(t, "/adapters/a/mcp", http.MethodPost, reader(), headers...))
					if got := a.seen(t); got.Length != size || got.Hash != hex.EncodeToString(sum[:]) {
						t.Errorf("%s, %d bytes, %s, %s: %d bytes arrived", name, size, framing, kind, got.Length)
					}
				}
			}
		}
	}
}

// pieces is read in pieces of a size that divides nothing.
type pieces struct {
	r    *strings.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }

func TestBodiesThatAreRefused(t *testing.T) {
	g := newGateway(t)
	tail := strings.Repeat(" ", 100<<10)
	for name, c := range map[string]struct {
		body   string
		status int
		code   int
		id     string
	}{
		"empty":                  {"", 400, -32700, "null"},
		"one byte":               {"{", 400, -32700, "null"},
		"one byte too many":      {sized(maxBody) + " ", 413, -32600, "1"},
		"far too large":          {sized(3 * maxBody), 413, -32600, "1"},
		"batch":                  {"[" + listTools + "]", 400, -32600, "null"},
		"trailing data":          {listTools + "{}", 400, -32700, "7"},
		"duplicate, much behind": {`{"jsonrpc":"2.0","id":7,"id":8,` + tail + strings.Repeat(tail, 20) + `"method":"a"}`, 400, -32600, "7"},
		"case of a key":          {`{"jsonrpc":"2.0","id":"x","method":"tools/list","Method":"a"}`, 400, -32600, `"x"`},
		"invalid UTF-8":          {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", 400, -32700, "1"},
	} {
		for _, framing := range []string{"length", "chunks"} {
			t.Run(name+", "+framing, func(t *testing.T) {
				var body io.Reader = strings.NewReader(c.body)
				if framing == "chunks" {
					body = unsized(body)
				}
				a := g.send(t, g.request(t, "/adapters/a/mcp", http.MethodPost, body))
				code, id := a.rpcError(t)
				want := c.id
				if c.status == 413 && framing == "length" {
					want = "null" // refused before it was sent
				}
				if a.status != c.status || code != c.code || id != want {
					t.Errorf("status %d, code %d, id %s: %s", a.status, code, id, a.body)
				}
			})
		}
	}
}

// raw is a connection on which a test frames the request itself.
type raw struct {
	net.Conn
	t *testing.T
}

func (g *gateway) raw(t *testing.T) raw {
	t.Helper()
	conn, err := g.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return raw{conn, t}
}

func (r raw) send(format string, args ...any) {
	r.t.Helper()
	if _, err := fmt.Fprintf(r.Conn, format, args...); err != nil {
		r.t.Fatal(err)
	}
}

func (r raw) answer() answer {
	r.t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(r.Conn), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

const chunkedHead = "POST /adapters/a/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"

func TestChunksMayEndAnywhere(t *testing.T) {
	g := newGateway(t)
	body := `{"jsonrpc":"2.0","id":"é","method":"tools/call","params":{"name":"ü😀","arguments":{"a":[1.5e3,null]}}}`
	sum := sha256.Sum256([]byte(body))
	for _, size := range []int{1, 2, 3, 7} {
		c := g.raw(t)
		c.send(chunkedHead + "\r\n")
		for rest := body; rest != ""; {
			n := min(size, len(rest))
			c.send("%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		c.send("0\r\n\r\n")
		if got := c.answer().seen(t); got.Hash != hex.EncodeToString(sum[:]) {
			t.Errorf("chunks of %d: %d of %d bytes arrived", size, got.Length, len(body))
		}
	}
	for at := 1; at < len(body); at++ {
		c := g.raw(t)
		c.send(chunkedHead + "\r\n")
		c.send("%x\r\n%s\r\n", at, body[:at])
		c.send("%x\r\n%s\r\n0\r\n\r\n", len(body)-at, body[at:])
		if got := c.answer().seen(t); got.Hash != hex.EncodeToString(sum[:]) {
			t.Errorf("two chunks, at %d: %d of %d bytes arrived", at, got.Length, len(body))
		}
	}
}

func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	g := newGateway(t)
	for name, c := range map[string]struct {
		part   string
		status int
	}{
		"broken JSON": {`{"jsonrpc":"2.0",,`, 400},
		"too large":   {sized(maxBody + 100)[:maxBody+10], 413},
	} {
		t.Run(name, func(t *testing.T) {
			conn := g.raw(t)
			conn.send(chunkedHead + "\r\n")
			conn.send("%x\r\n%s\r\n", len(c.part), c.part) // and no end
			if a := conn.answer(); a.status != c.status {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
}

// TestTrailers: those of HTTP/1 Envoy drops. Those of HTTP/2 come to the
// processor only after its answer, which waits for the end of the body: where
// the head announces them, the request is refused at once.
func TestTrailers(t *testing.T) {
	g := newGateway(t)
	c := g.raw(t)
	c.send(chunkedHead+"\r\n%x\r\n%s\r\n0\r\nMcp-Session-Id: x\r\n\r\n", len(listTools), listTools)
	if s := c.answer().seen(t); len(s.Trailer) != 0 || s.Header.Get("Mcp-Session-Id") != "" {
		t.Errorf("the upstream saw %+v", s)
	}

	g.client = g.http2(t)
	r := g.request(t, "/adapters/a/mcp", http.MethodPost, unsized(strings.NewReader(listTools)))
	r.Trailer = http.Header{"Mcp-Session-Id": {"x"}}
	if a := g.send(t, r); a.status != http.StatusBadRequest || !strings.Contains(a.body, "trailers") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestClientThatGoesAway holds that nothing stays behind when a client leaves in
// the middle of its body.
func TestClientThatGoesAway(t *testing.T) {
	g := newGateway(t)
	c := g.raw(t)
	c.send(chunkedHead + "\r\n")
	c.send("10\r\n{\"jsonrpc\":\"2.0\"\r\n")
	active := func() string {
		return string(g.envoy.AdminGet("/stats?filter=^cluster.mooring.internal.extproc.upstream_rq_active$"))
	}
	eventually(t, "the request is being judged", func() bool { return strings.HasSuffix(active(), ": 1\n") })
	c.Close()
	eventually(t, "nothing is being judged", func() bool { return strings.HasSuffix(active(), ": 0\n") })
}

// TestBodySizeOfOneAdapter holds that an adapter's own bound is that of its bodies
// to the byte, is told without waiting for the rest, and is no other adapter's.
func TestBodySizeOfOneAdapter(t *testing.T) {
	g := newGateway(t)
	for _, c := range []struct {
		adapter string
		size    int
		status  int
	}{
		{"small", 999, 200}, {"small", 1000, 200}, {"small", 1001, 413}, {"small", 100_000, 413}, {"a", 1001, 200},
	} {
		for framing, body := range map[string]io.Reader{
			"length": strings.NewReader(sized(c.size)), "chunks": unsized(strings.NewReader(sized(c.size))),
		} {
			a := g.send(t, g.request(t, "/adapters/"+c.adapter+"/mcp", http.MethodPost, body))
			if a.status != c.status {
				t.Errorf("%s, %d bytes by %s: %d %s", c.adapter, c.size, framing, a.status, a.body)
			} else if c.status == http.StatusRequestEntityTooLarge {
				if code, _ := a.rpcError(t); code != -32600 {
					t.Errorf("%s", a.body)
				}
			}
		}
	}
	// Neither a length that is not sent nor chunks without an end are waited for.
	heads := map[string]string{
		"length": "Content-Length: 1001\r\n\r\n",
		"chunks": "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", 1001, sized(1100)[:1001]),
	}
	for name, rest := range heads {
		start := time.Now()
		c := g.raw(t)
		c.send("POST /adapters/small/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s", rest)
		if a := c.answer(); a.status != http.StatusRequestEntityTooLarge || time.Since(start) > time.Second {
			t.Errorf("%s: %d after %v", name, a.status, time.Since(start))
		}
	}
}

// TestBodiesThatDoNotArrive holds that a client which stops within its body is
// told so, and one that goes on for ever is too.
func TestBodiesThatDoNotArrive(t *testing.T) {
	g := newGatewayWith(t, "2s", "--max-body-pause", "500ms")
	wantLate := func(t *testing.T, a answer, start time.Time, least, most time.Duration) {
		t.Helper()
		if code, id := a.rpcError(t); a.status != http.StatusRequestTimeout || id != "null" || code == 0 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if took := time.Since(start); took < least || took > most {
			t.Errorf("after %v", took)
		}
	}
	for name, part := range map[string]string{"no body": "", "a part": "10\r\n{\"jsonrpc\":\"2.0\"\r\n", "no end": fmt.Sprintf("%x\r\n%s\r\n", len(listTools), listTools)} {
		t.Run("pause, "+name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			c := g.raw(t)
			c.send("%s\r\n%s", chunkedHead, part)
			wantLate(t, c.answer(), start, 400*time.Millisecond, 1900*time.Millisecond)
		})
	}
	t.Run("drip", func(t *testing.T) {
		t.Parallel()
		start := time.Now()
		c := g.raw(t)
		c.send(chunkedHead + "\r\n1\r\n{\r\n")
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			ticker := time.NewTicker(50 * time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-stop:
					return
				case <-ticker.C:
					_, _ = c.Write([]byte("1\r\n \r\n")) // refused once it was answered
				}
			}
		}()
		a := c.answer()
		close(stop)
		<-stopped
		wantLate(t, a, start, 1800*time.Millisecond, 10*time.Second)
	})
}
