package lines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/extproc/internal/accesslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// whole is an entry of which all is known.
func whole() *accesslog.Entry {
	return &accesslog.Entry{
		ID: "r1", Start: time.UnixMilli(1_767_323_045_006).UTC(), Took: 1500, Lasted: 9 * time.Millisecond, Source: "192.0.2.1",
		Method: accesslog.MethodUnknown, Written: "PROPFIND", Path: "/mcp", Traceparent: "00-t", Route: "a/session", Upstream: "/run/a.sock",
		Status: 200, Details: "via_upstream", Flags: "DC,UF", Received: 30, Sent: 7, ReceivedBody: 20, SentBody: 4,
		Trace: accesslog.TraceID{1, 15: 2}, Span: accesslog.SpanID{3, 7: 4},
		Judged: contract.Judged{
			Method: "tools/call", Tool: "echo", Listed: contract.ListedYes, Era: "legacy", Session: "s", Principal: "p", Who: "i|ann",
			Verdict: contract.VerdictAllow, Trace: "t",
		},
	}
}

func parsed(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return got
}

func TestALine(t *testing.T) {
	want := map[string]any{
		"time": "2026-01-02T03:04:05.006Z", "level": "INFO", "msg": "request", "part": "envoy", "request_id": "r1", "adapter": "a",
		"principal": "p", "session": "s", "method": "tools/call", "tool": "echo",
		"trace_id": "01000000000000000000000000000002", "span_id": "0300000000000004", "message_trace_id": "t",
		"era": "legacy", "verdict": "allow", "http_method": "PROPFIND", "path": "/mcp", "route": "a/session", "status": 200.,
		"flags": "DC,UF", "upstream": "/run/a.sock", "duration_ms": 9., "bytes_received": 20., "bytes_sent": 4.,
	}
	if diff := cmp.Diff(want, parsed(t, appendLine(nil, whole()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = map[string]any{
		"time": "2026-01-02T03:04:05.000Z", "level": "INFO", "msg": "request", "part": "envoy", "status": 0.,
		"duration_ms": 0., "bytes_received": 0., "bytes_sent": 0.,
	}
	if diff := cmp.Diff(want, parsed(t, appendLine(nil, &accesslog.Entry{Start: time.Unix(1_767_323_045, 0)}))); diff != "" {
		t.Errorf("nothing known (-want +got):\n%s", diff)
	}
}

// TestPage holds what the documents say of a line against the code.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`\\w+`(?:, `\\w+`)*) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, key := range strings.Split(row[1], ", ") {
			got = append(got, strings.Trim(key, "`"))
		}
	}
	for key := range parsed(t, appendLine(nil, whole())) {
		want = append(want, key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-code +page):\n%s", diff)
	}
}

// TestLineAllocatesNothing: a line is made where it is written from.
func TestLineAllocatesNothing(t *testing.T) {
	out, entry := make([]byte, 0, 4096), whole()
	if n := testing.AllocsPerRun(100, func() { appendLine(out, entry) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "-", "a\"b\\", "\x00\x1f\x7f\n\r\t", "\u2028ü😀\u0085", "\xff\xc3", "\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		entry := whole()
		entry.Path, entry.Judged.Tool = text, text
		line := appendLine(nil, entry)
		if ends := bytes.IndexAny(line, "\n\r\u0085\u2028\u2029"); ends != len(line)-1 || !utf8.Valid(line) {
			t.Errorf("%q ends at %d", line, ends)
		}
		want := strings.ToValidUTF8(text, "\ufffd")
		if utf8.ValidString(text) && text != "" {
			if got := parsed(t, line); got["path"] != want || got["tool"] != want {
				t.Errorf("%q is %q and %q", text, got["path"], got["tool"])
			}
		}
		parsed(t, line)
	})
}

// output takes lines unless it is told to fail or to block.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	fails error
	block chan struct{}
}

func (o *output) Write(text []byte) (int, error) {
	if o.block != nil {
		<-o.block
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails != nil {
		return 0, o.fails
	}
	return o.text.Write(text)
}

func (o *output) lines() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Count(o.text.Bytes(), []byte("\n"))
}

// running runs Lines that write to out until end is called.
func running(t *testing.T, out io.Writer) (l *Lines, end func()) {
	t.Helper()
	l = New(out, Dropped(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return l, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestLinesComeSoon: within a second, and at the end all of them.
func TestLinesComeSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := new(output)
		l, end := running(t, out)
		open := whole()
		open.Open = true
		l.Take(open)
		l.Take(whole())
		time.Sleep(time.Second)
		if n := out.lines(); n != 1 {
			t.Errorf("%d lines after a second", n)
		}
		for range 1000 {
			l.Take(whole())
		}
		end()
		if n := out.lines(); n != 1001 {
			t.Errorf("%d lines at the end", n)
		}
	})
}

// TestBlockedOutput: nobody waits for it, what is held is bounded, and each line
// is written or counted.
func TestBlockedOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &output{block: make(chan struct{})}
		l, end := running(t, out)
		const taken = 50_000
		for i := range taken {
			l.Take(whole())
			if i == 0 {
				time.Sleep(time.Second) // it is on its way
			}
		}
		if held := len(l.waiting); held < maxWaiting || held > maxWaiting+1024 {
			t.Errorf("%d bytes are held", held)
		}
		begin := time.Now()
		end()
		if took := time.Since(begin); took != lastWrite {
			t.Errorf("the end took %v", took)
		}
		close(out.block)
		synctest.Wait()
		if got := float64(out.lines()) + testutil.ToFloat64(l.dropped); got != taken || out.lines() < 1000 {
			t.Errorf("%v of %d lines were written or counted, %d written", got, taken, out.lines())
		}
	})
}

// TestOutputFails: what is lost is counted, and what comes later is written.
func TestOutputFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &output{fails: errors.New("disk full")}
		l, end := running(t, out)
		l.Take(whole())
		l.Take(whole())
		time.Sleep(time.Second)
		out.mu.Lock()
		out.fails = nil
		out.mu.Unlock()
		l.Take(whole())
		end()
		if dropped, n := testutil.ToFloat64(l.dropped), out.lines(); dropped != 2 || n != 1 {
			t.Errorf("%v dropped, %d written", dropped, n)
		}
	})
}

// TestFileIsRotated: what is moved away keeps its lines, and the path gets new
// ones.
func TestFileIsRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"1\n", "2\n"} {
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for at, want := range map[string]string{path + ".1": "1\n", path: "2\n"} {
		if got, err := os.ReadFile(at); string(got) != want || err != nil {
			t.Errorf("%s: %q, error %v", filepath.Base(at), got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, error %v", info.Mode(), err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
}

func BenchmarkLine(b *testing.B) {
	out, entry := make([]byte, 0, 4096), whole()
	b.ReportAllocs()
	for b.Loop() {
		appendLine(out, entry)
	}
}
