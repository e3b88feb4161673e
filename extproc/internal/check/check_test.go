package check_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mooring-mcp/mooring/extproc/internal/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers 503 twice, and then by the host that it is asked as.
func serve(t *testing.T) string {
	t.Helper()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case asked.Add(1) <= 2:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case r.Host != "mcp.example.com":
			http.Error(w, "who is "+r.Host, http.StatusMisdirectedRequest)
		default:
			fmt.Fprintln(w, "ok")
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAwait(t *testing.T) {
	q := check.Question{URL: serve(t) + "/readyz", Host: "mcp.example.com", Status: http.StatusOK}
	if err := check.Await(t.Context(), q, time.Minute); err != nil {
		t.Error(err)
	}
}

// TestWhatWasWrong: the error has the answer.
func TestWhatWasWrong(t *testing.T) {
	q := check.Question{URL: serve(t), Host: "other.example.com", Status: http.StatusOK}
	err := check.Await(t.Context(), q, 3*time.Second)
	if err == nil || !strings.Contains(err.Error(), "status 421, not 200: who is other.example.com") {
		t.Errorf("error %v", err)
	}
	asked := false
	hangs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked {
			<-r.Context().Done()
			return
		}
		asked = true
		http.Error(w, "who is it", http.StatusMisdirectedRequest)
	}))
	defer hangs.Close()
	err = check.Await(t.Context(), check.Question{URL: hangs.URL, Status: http.StatusOK}, time.Second)
	if err == nil || !strings.Contains(err.Error(), "status 421, not 200: who is it") {
		t.Errorf("with an answer before the end: error %v", err)
	}
	if err := check.Await(t.Context(), check.Question{URL: "http://127.0.0.1:0"}, time.Second); err == nil {
		t.Error("nobody answered, and no error")
	}
}
