package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"

	"github.com/mooring-mcp/mooring/adapters"
)

//go:embed openapi.json
var openAPI []byte

// schemaPlace stands in openapi.json where the schema of an adapter goes.
const schemaPlace = `"the schema of package adapters"`

// openAPIDocument is the OpenAPI document with the schema of an adapter in it:
// there is one truth about that, and it is not here.
func openAPIDocument() []byte {
	document := bytes.Replace(openAPI, []byte(schemaPlace), adapters.Schema(), 1)
	var compact bytes.Buffer
	if err := json.Compact(&compact, document); err != nil {
		panic("api: the embedded OpenAPI document is not JSON: " + err.Error())
	}
	return compact.Bytes()
}

// openapi is GET /openapi.json.
func (a *api) openapi(w http.ResponseWriter, _ *http.Request, _ adapters.Principal) error {
	w.Header().Set("Content-Type", typeJSON)
	// What the client can no longer be sent is lost: there is nobody to tell.
	_, _ = w.Write(a.openAPI)
	return nil
}

// healthz is GET /healthz: the program serves HTTP.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request, _ adapters.Principal) error {
	return ok(w)
}

// readyz is GET /readyz: the program can do its work.
func (a *api) readyz(w http.ResponseWriter, _ *http.Request, _ adapters.Principal) error {
	if err := a.Ready(); err != nil {
		return &problem{status: http.StatusServiceUnavailable, detail: "The control plane is not ready.", cause: err}
	}
	return ok(w)
}

func ok(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// As above.
	_, _ = io.WriteString(w, "ok\n")
	return nil
}
