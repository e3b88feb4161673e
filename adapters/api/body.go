package api

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// The content types of request bodies.
const (
	typeJSON       = "application/json"
	typeMergePatch = "application/merge-patch+json"
)

// body reads the body of a request whose content type is one of types.
func (a *api) body(w http.ResponseWriter, r *http.Request, types ...string) ([]byte, error) {
	if !contentTypeIs(r.Header, types) {
		p := &problem{
			status: http.StatusUnsupportedMediaType,
			detail: "The body must be " + strings.Join(types, " or ") + " in UTF-8, without content encoding.",
		}
		if r.Method == http.MethodPatch {
			p.header = http.Header{"Accept-Patch": {strings.Join(types, ", ")}}
		}
		return nil, p
	}
	if r.ContentLength > a.MaxBodyBytes {
		return nil, bodyTooLarge(a.MaxBodyBytes)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.MaxBodyBytes))
	if err != nil {
		return nil, fmt.Errorf("reading body: %w", err)
	}
	return body, nil
}

func bodyTooLarge(limit int64) *problem {
	return &problem{
		status: http.StatusRequestEntityTooLarge,
		detail: fmt.Sprintf("The adapter is longer than %d bytes.", limit),
	}
}

func contentTypeIs(h http.Header, types []string) bool {
	values := h.Values("Content-Type")
	if len(values) != 1 || h.Get("Content-Encoding") != "" {
		return false
	}
	media, params, err := mime.ParseMediaType(values[0])
	if err != nil || !slices.Contains(types, media) {
		return false
	}
	charset, named := params["charset"]
	return !named || strings.EqualFold(charset, "utf-8")
}
