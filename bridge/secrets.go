package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/adapters/launch/mask"
)

// secretsOf are the values in environ that must not show.
func secretsOf(cfg Config, environ []string) *mask.Mask {
	var values []string
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); slices.Contains(cfg.SecretVariables, name) {
			values = append(values, value)
		}
	}
	return mask.New(values)
}

// proxyHeaders are the headers that a remote server gets, with the values that
// environ has for them.
func proxyHeaders(cfg Config, environ []string) (http.Header, error) {
	if cfg.ProxyHeaders == "" {
		return nil, nil
	}
	headers, err := launch.ProxyHeaders(cfg.ProxyHeaders, func(wanted string) (value string, found bool) {
		for _, variable := range environ {
			if name, text, _ := strings.Cut(variable, "="); name == wanted {
				value, found = text, true
			}
		}
		return value, found
	})
	if err != nil {
		return nil, fmt.Errorf("MCP_PROXY_HEADERS: %w", err)
	}
	return headers, nil
}
