package api

import (
	"embed"
	"net/http"

	"github.com/swaggest/swgui/v5/static"
	"github.com/vearutop/statigz"

	"github.com/mooring-mcp/mooring/adapters"
)

// docsFiles are the page's own files; what it shows them with is Swagger UI's.
//
//go:embed docs/index.html docs/start.js
var docsFiles embed.FS

// docsPolicy lets the page load from the gateway and ask the gateway, and
// nothing else. Swagger UI sets styles on elements and has images in its style
// sheet.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// addDocs serves a page that shows the OpenAPI document, with no file from
// elsewhere: a gateway is often where the internet is not. It has no more
// rights than who looks at it, and is the same for everybody.
func (a *api) addDocs(mux *http.ServeMux) {
	swaggerUI := http.StripPrefix("/docs/", statigz.FileServer(static.FS))
	own := func(file string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, docsFiles, file) })
	}
	for path, file := range map[string]http.Handler{
		"/docs":                      own("docs/index.html"),
		"/docs/start.js":             own("docs/start.js"),
		"/docs/swagger-ui.css":       swaggerUI,
		"/docs/swagger-ui-bundle.js": swaggerUI,
		"/docs/favicon-32x32.png":    swaggerUI,
	} {
		mux.Handle(path, a.open(func(w http.ResponseWriter, r *http.Request, _ adapters.Principal) error {
			w.Header().Set("Content-Security-Policy", docsPolicy)
			w.Header().Set("Cache-Control", "no-cache")
			file.ServeHTTP(w, r)
			return nil
		}))
	}
}
