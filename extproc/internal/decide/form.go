package decide

import (
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mooring-mcp/mooring/extproc/internal/inspect"
)

const allowLegacy = "GET, POST, DELETE"

// form judges what of a head has nothing to do with who sent it.
func (j *Judge) form(policy Policy, head Head) *Refusal {
	switch head.Method {
	case http.MethodPost:
		if refusal := contentType(head.Header); refusal != nil {
			return refusal
		}
	case http.MethodGet, http.MethodDelete:
	default:
		return methodNotAllowed(allowLegacy)
	}
	if refusal := j.origin(head.Header["Origin"]); refusal != nil {
		return refusal
	}
	if refusal := fetched(head.Header); refusal != nil {
		return refusal
	}
	if len(head.Header["Trailer"]) > 0 {
		// They come to be judged only after the answer to the head, which waits
		// for the body: nobody would go on.
		return unread(inspect.Trailers())
	}
	return contentLength(head.Header["Content-Length"], j.maxBody(policy))
}

// contentType holds that the body is JSON in UTF-8 and nothing is between it
// and the inspector.
func contentType(header http.Header) *Refusal {
	unsupported := func(message string) *Refusal {
		return refusal(http.StatusUnsupportedMediaType, codeInvalidRequest, "media_type", message)
	}
	values := header["Content-Type"]
	if len(values) != 1 {
		return unsupported("Content-Type must be application/json, once.")
	}
	kind, params, err := mediaType(values[0])
	if err != nil || kind != mediaJSON {
		return unsupported("Content-Type must be application/json.")
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return unsupported("The body must be in UTF-8.")
	}
	for _, encoding := range header["Content-Encoding"] {
		if !strings.EqualFold(strings.TrimSpace(encoding), "identity") {
			return unsupported("The body must not be encoded.")
		}
	}
	return nil
}

const mediaJSON = "application/json"

// mediaType parses a Content-Type; nearly all are the one that needs no parsing.
func mediaType(value string) (kind string, params map[string]string, err error) {
	if value == mediaJSON {
		return mediaJSON, nil, nil
	}
	return mime.ParseMediaType(value)
}

// origin keeps pages of other sites away. Programs send no Origin.
func (j *Judge) origin(values []string) *Refusal {
	for _, origin := range values {
		if len(values) > 1 || !j.Origins[strings.ToLower(origin)] {
			return refusal(http.StatusForbidden, codeInvalidRequest, "origin", "Requests from this origin are not allowed.")
		}
	}
	return nil
}

// fetched keeps away what browsers send without an Origin: a page of another
// site that embeds or links to an adapter, and anything that would show its
// answer as a page in the gateway's own origin.
func fetched(header http.Header) *Refusal {
	if slices.Contains(header["Sec-Fetch-Mode"], "navigate") {
		return refusal(http.StatusForbidden, codeInvalidRequest, "navigation", "An adapter is no page to be opened in a browser.")
	}
	for _, site := range header["Sec-Fetch-Site"] {
		if len(header["Origin"]) == 0 && (site == "cross-site" || site == "same-site") {
			return refusal(http.StatusForbidden, codeInvalidRequest, "origin", "Pages of other sites may not call the gateway.")
		}
	}
	return nil
}

// contentLength refuses a body that says it is too large, before it is sent.
func contentLength(values []string, most int64) *Refusal {
	for _, value := range values {
		length, err := strconv.ParseInt(value, 10, 64)
		if err != nil || length < 0 {
			return invalid("content_length", "Content-Length is not a number.")
		}
		if length > most {
			return unread(inspect.TooLarge())
		}
	}
	return nil
}

// Origins are the origins that pages may have which use the gateway: that of
// its public URL and, where it listens at listen (host:port), those of this
// machine. Either may be empty.
func Origins(publicURL, listen string) (map[string]bool, error) {
	origins := map[string]bool{}
	if publicURL != "" {
		u, err := url.Parse(publicURL)
		if err != nil {
			return nil, fmt.Errorf("parsing public URL: %w", err)
		}
		if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, fmt.Errorf("public URL %q is not an http or https URL", publicURL)
		}
		origins[strings.ToLower(u.Scheme+"://"+withoutDefaultPort(u))] = true
	}
	if listen != "" {
		_, port, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, fmt.Errorf("parsing listen address: %w", err)
		}
		for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
			u := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}
			origins["http://"+withoutDefaultPort(u)] = true
		}
	}
	return origins, nil
}

// withoutDefaultPort is the host as browsers spell it in Origin.
func withoutDefaultPort(u *url.URL) string {
	if p := u.Port(); (u.Scheme == "http" && p == "80") || (u.Scheme == "https" && p == "443") {
		return strings.TrimSuffix(u.Host, ":"+p)
	}
	return u.Host
}
