package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
)

func TestTargets(t *testing.T) {
	store, deployer := &adapterstest.Store{}, &adapterstest.Deployer{}
	a, err := store.Create(t.Context(), adapterstest.Example("one"))
	if err != nil {
		t.Fatal(err)
	}
	deployer.SetInstances(a.ID,
		adapters.Instance{ID: "old", Ordinal: 0, State: adapters.InstanceDraining},
		adapters.Instance{ID: "new", Ordinal: 0, State: adapters.InstanceReady})
	ask := func() *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/sd", nil)
		r.Host = "127.0.0.1:9090"
		w := httptest.NewRecorder()
		targets(store, deployer).ServeHTTP(w, r)
		return w
	}
	var got []target
	if w := ask(); w.Header().Get("Content-Type") != "application/json" || json.Unmarshal(w.Body.Bytes(), &got) != nil {
		t.Fatalf("%v %s", w.Header(), w.Body)
	}
	at := func(path, job, instance string) target { return targetAt("127.0.0.1:9090", path, job, instance) }
	want := []target{
		at("/metrics/envoy", "mooring-envoy", "envoy"), at("/metrics/extproc", "mooring-extproc", "extproc"),
		at("/metrics/adapters/one/new", "mooring-bridge", "one/0"), at("/metrics/adapters/one/old", "mooring-bridge", "one/0/old"),
		at("/metrics/xds", "mooring-xds", "xds"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	store.Fail(errors.New("broken"))
	if w := ask(); w.Code != http.StatusServiceUnavailable {
		t.Errorf("of a broken store: %d", w.Code)
	}
}
