package tracing

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/mtls/mtlstest"
	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// TestTheCollectorsCertificateIsWatched: who is known to the collector by a
// certificate tells when that ends.
func TestTheCollectorsCertificateIsWatched(t *testing.T) {
	dir := t.TempDir()
	mtlstest.NewAuthority(t).Write(dir, "127.0.0.1")
	s := settings(otlp.Sampler{Ratio: 1})
	s.Protocol, s.Endpoint = otlp.HTTPProtobuf, "https://127.0.0.1:1"
	for name, want := range map[string]int{"": 0, filepath.Join(dir, "tls.crt"): 1} {
		s.ClientCertificate, s.ClientKey = name, filepath.Join(dir, "tls.key")
		reg := prometheus.NewPedanticRegistry()
		if _, err := Open(s, Part{Name: "x"}, reg); err != nil {
			t.Fatal(err)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var ends []time.Time
		for _, family := range families {
			if family.GetName() == "mooring_certificate_expires_timestamp_seconds" {
				ends = append(ends, time.Unix(int64(family.GetMetric()[0].GetGauge().GetValue()), 0))
			}
		}
		if len(ends) != want || want > 0 && time.Until(ends[0]) <= 0 {
			t.Errorf("with the certificate %q it ends at %v", name, ends)
		}
	}
}
