package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
)

// headerLoop lists who has passed a request on (RFC 8586). It was made for this,
// and intermediaries are told never to remove it; Via is what many remove, this
// project's own gateway among them.
const headerLoop = "Cdn-Loop"

const (
	// hopPrefix begins the name of every bridge.
	hopPrefix = "mooring-"
	// maxHops is how many bridges a request may pass, all different.
	maxHops = 16
)

// hopName is the name of all bridges that lead to the server. A request that
// was at one of them already was sent to the server by it, and has come back.
func hopName(server *url.URL) string {
	sum := sha256.Sum256([]byte("mooring hop " + server.String()))
	return hopPrefix + hex.EncodeToString(sum[:8])
}

// looped reports whether a request goes round in a circle.
func looped(h http.Header, own string) bool {
	hops := 0
	for _, list := range h.Values(headerLoop) {
		for entry := range strings.SplitSeq(list, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(entry), ";")
			name = strings.TrimSpace(name)
			if name == own {
				return true
			}
			if strings.HasPrefix(name, hopPrefix) {
				hops++
			}
		}
	}
	return hops >= maxHops
}
