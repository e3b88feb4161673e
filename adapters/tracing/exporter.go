package tracing

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/mooring-mcp/mooring/adapters/mtls"
	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// newExporter sends where s says. All is said explicitly: the exporters would
// read the environment by themselves, which on a bridge is an adapter's. When the
// certificate ends that the collector knows the sender by is told to reg.
func newExporter(s otlp.Settings, reg prometheus.Registerer) (sdktrace.SpanExporter, error) {
	config, err := s.TLS()
	if err != nil {
		return nil, err
	}
	if config != nil && len(config.Certificates) > 0 {
		ends := config.Certificates[0].Leaf.NotAfter
		reg.MustRegister(mtls.Expiry("collector", func() time.Time { return ends }))
	}
	client := httpClient(s, config)
	if s.Protocol == otlp.GRPC {
		client = grpcClient(s, config)
	}
	// Neither client connects before it sends.
	return otlptrace.New(context.Background(), client)
}

func grpcClient(s otlp.Settings, config *tls.Config) otlptrace.Client {
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpointURL(s.Endpoint), otlptracegrpc.WithHeaders(s.Headers), otlptracegrpc.WithTimeout(s.Timeout),
	}
	if s.Secure() {
		options = append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(config)))
	} else {
		options = append(options, otlptracegrpc.WithInsecure())
	}
	// A proxy that the environment names may be an adapter's; Envoy uses none.
	options = append(options, otlptracegrpc.WithDialOption(grpc.WithNoProxy()))
	if s.Gzip {
		options = append(options, otlptracegrpc.WithCompressor("gzip"))
	}
	return otlptracegrpc.NewClient(options...)
}

func httpClient(s otlp.Settings, config *tls.Config) otlptrace.Client {
	compression := otlptracehttp.NoCompression
	if s.Gzip {
		compression = otlptracehttp.GzipCompression
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(s.Endpoint), otlptracehttp.WithHeaders(s.Headers), otlptracehttp.WithTimeout(s.Timeout),
		otlptracehttp.WithCompression(compression),
		otlptracehttp.WithProxy(func(*http.Request) (*url.URL, error) { return nil, nil }),
	}
	if s.Secure() {
		options = append(options, otlptracehttp.WithTLSClientConfig(config))
	}
	return otlptracehttp.NewClient(options...)
}
