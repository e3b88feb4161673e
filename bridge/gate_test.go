package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// TestGate holds what comes while the bridge leaves.
func TestGate(t *testing.T) {
	served := 0
	g := &gate{next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })}
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/mcp", nil))
		return w
	}
	if w := ask(); w.Code != http.StatusOK || served != 1 {
		t.Errorf("got %d, served %d", w.Code, served)
	}
	stop := make(chan os.Signal, 1)
	stop <- os.Interrupt
	g.leave(t.Context(), stop)
	w := ask()
	if w.Code != http.StatusServiceUnavailable || served != 1 || w.Header().Get("X-Mooring-Unsent") == "" ||
		w.Header().Get("Retry-After") == "" || w.Header().Get("Connection") != "close" {
		t.Errorf("got %d, %v, served %d", w.Code, w.Header(), served)
	}
}
