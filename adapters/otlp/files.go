package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// TLS is how spans are sent to an endpoint with https, by the files that s names.
// It reads them: an error means that one cannot be used. Without https it is nil.
func (s Settings) TLS() (*tls.Config, error) {
	if !s.Secure() {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.Certificate != "" {
		text, err := os.ReadFile(s.Certificate)
		if err != nil {
			return nil, fmt.Errorf("reading the collector's authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("reading the collector's authorities: no certificate is in the file")
		}
	}
	if s.ClientCertificate != "" {
		pair, err := tls.LoadX509KeyPair(s.ClientCertificate, s.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate for the collector: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Absolute is environ ("NAME=value" each) with the files of the exporter named so
// that they are found from every folder.
func Absolute(environ []string) []string {
	all := make([]string, 0, len(environ))
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok {
			variable = name + "=" + absolute(name, value)
		}
		all = append(all, variable)
	}
	return all
}

// absolute is the value of the variable, which where it names a file does so from
// everywhere.
func absolute(name, value string) string {
	if !isFile(name) || value == "" {
		return value
	}
	path, err := filepath.Abs(value)
	if err != nil {
		// There is no working directory, and so no file either way.
		return value
	}
	return path
}

func isFile(name string) bool {
	name, ok := strings.CutPrefix(name, "OTEL_EXPORTER_OTLP_")
	if !ok {
		return false
	}
	switch strings.TrimPrefix(name, "TRACES_") {
	case "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY":
		return true
	}
	return false
}
