package otlp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// TestFilesAreFoundFromEverywhere: who is given the variables runs elsewhere.
func TestFilesAreFoundFromEverywhere(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	environ := []string{
		"OTEL_EXPORTER_OTLP_CERTIFICATE=ca.pem", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY=/key.pem", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=",
		"OTEL_SERVICE_NAME=ca.pem", "CERTIFICATE=ca.pem", "odd",
	}
	want := []string{
		"OTEL_EXPORTER_OTLP_CERTIFICATE=" + filepath.Join(dir, "ca.pem"), "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY=/key.pem",
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=", "OTEL_SERVICE_NAME=ca.pem", "CERTIFICATE=ca.pem", "odd",
	}
	if diff := cmp.Diff(want, otlp.Absolute(environ)); diff != "" {
		t.Error(diff)
	}
	if got := otlp.Handed(environ)["MOORING_OTEL_EXPORTER_OTLP_CERTIFICATE"]; got != filepath.Join(dir, "ca.pem") {
		t.Errorf("bridges are told of %s", got)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		settings otlp.Settings
		want     string
	}{
		"no TLS, no files": {otlp.Settings{Endpoint: "http://c", Certificate: "/none"}, ""},
		"the system's":     {otlp.Settings{Endpoint: "https://c"}, ""},
		"not there":        {otlp.Settings{Endpoint: "https://c", Certificate: empty + "x"}, "authorities"},
		"nothing in it":    {otlp.Settings{Endpoint: "https://c", Certificate: empty}, "no certificate"},
		"no key":           {otlp.Settings{Endpoint: "https://c", ClientCertificate: empty}, "certificate for the collector"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := tt.settings.TLS()
			switch {
			case tt.want == "" && (err != nil || (config != nil) != tt.settings.Secure()):
				t.Errorf("%v, %v", config, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v", err)
			}
		})
	}
}
