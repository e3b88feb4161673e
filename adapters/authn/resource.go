package authn

import (
	"fmt"
	"net/url"
	"strings"
)

// Resource is what a token can be meant for, as RFC 8707 and RFC 9728 know it:
// the gateway with its API, or one adapter.
type Resource struct {
	// Adapter is the adapter's name. Empty means the gateway itself.
	Adapter string
	// URI names the resource, without a slash at its end.
	URI string
	// Metadata is where its RFC 9728 document is.
	Metadata string
}

// Address is what the world calls the gateway.
type Address struct {
	// origin is scheme://host[:port], path what follows it, with no slash at
	// its end.
	origin, path string
}

// ParseAddress reads a public URL: http or https, a host and maybe a path.
func ParseAddress(publicURL string) (Address, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Address{}, fmt.Errorf("public URL %q: it must be http:// or https:// and a host", publicURL)
	}
	return Address{
		origin: u.Scheme + "://" + u.Host,
		path:   strings.TrimRight(u.EscapedPath(), "/"),
	}, nil
}

// metadataPath is where RFC 9728 documents begin. It comes before the path of
// the resource that a document describes.
const metadataPath = "/.well-known/oauth-protected-resource"

// Resource is the gateway for an empty name, else the adapter of that name,
// which must be a valid one.
func (a Address) Resource(adapter string) Resource {
	path := a.path
	if adapter != "" {
		path += "/adapters/" + adapter + "/mcp"
	}
	return Resource{Adapter: adapter, URI: a.origin + path, Metadata: a.origin + metadataPath + path}
}

// URL is the gateway's own address, without a slash at its end.
func (a Address) URL() string { return a.origin + a.path }
