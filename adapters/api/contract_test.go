package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/api"
)

// contract is the OpenAPI document as a client sees it.
type contract struct {
	document *openapi3.T
	router   routers.Router
}

// loadContract reads the document from the API itself. Parsing it takes long
// enough to do it once.
var loadContract = sync.OnceValues(func() (*contract, error) {
	service := adapters.NewService(adapters.ServiceConfig{
		Store: &adapterstest.Store{}, Deployer: &adapterstest.Deployer{},
		Check: func(adapters.Spec) []adapters.Fault { return nil },
	})
	handler := api.New(api.Config{
		Service: service, Authenticator: headerUser{}, Log: slog.New(slog.DiscardHandler), AllowedHosts: []string{gateway},
	})
	r := httptest.NewRequest(http.MethodGet, "/openapi.json", nil)
	r.Host = gateway
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	document, err := openapi3.NewLoader().LoadFromData(recorder.Body.Bytes())
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(document)
	return &contract{document, router}, err
})

func newContract(t *testing.T) *contract {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// check holds an answer against the document. Only paths and methods that the
// document does not have may go without: those answer 404, 405 or a refusal.
func (c *contract) check(t *testing.T, r *http.Request, status int, header http.Header, body []byte) {
	t.Helper()
	if r.Method == http.MethodHead {
		return
	}
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		if !slices.Contains([]int{401, 403, 404, 405, 421}, status) {
			t.Errorf("%s %s answers %d, but the document has no such operation", r.Method, r.URL.Path, status)
		}
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 status, Header: header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), input); err != nil {
		t.Errorf("%s %s answers %d, which is not as the document says: %v\n%.500s", r.Method, r.URL.Path, status, err, body)
	}
}

func TestOpenAPIDocument(t *testing.T) {
	c := newContract(t)
	if err := c.document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(c.document.OpenAPI, "3.1") {
		t.Errorf("version %s", c.document.OpenAPI)
	}
	f := newFixture(t)
	got := f.must(t, http.StatusOK, "", http.MethodGet, "/openapi.json", "")
	var document struct {
		Components struct{ Schemas map[string]any }
	}
	var schema any
	if err := json.Unmarshal([]byte(got.body), &document); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(adapters.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(schema, document.Components.Schemas["Adapter"]); d != "" {
		t.Errorf("the document has another schema of an adapter (-want +got):\n%s", d)
	}
}

// TestOpenAPINamesEveryMethod asks each path of the document for a method that
// none has, and compares Allow with the document.
func TestOpenAPINamesEveryMethod(t *testing.T) {
	f := newFixture(t, withIdentity(t, &identity{discovery: "entra"}))
	for path, item := range newContract(t).document.Paths.Map() {
		if path == "/adapters/{name}/mcp" {
			continue
		}
		var documented []string
		for method := range maps.Keys(item.Operations()) {
			documented = append(documented, method)
			if method == http.MethodGet {
				documented = append(documented, http.MethodHead)
			}
		}
		slices.Sort(documented)
		path = strings.NewReplacer("{name}", "one", "{id}", "x", "{file}", "start.js").Replace(path)
		got := f.must(t, http.StatusMethodNotAllowed, "alice", "BREW", path, "", "Roles", adapters.AdminRole)
		if want := strings.Join(documented, ", "); got.header.Get("Allow") != want {
			t.Errorf("%s: Allow is %q, and the document has %q", path, got.header.Get("Allow"), want)
		}
	}
}
