// Package tracing makes the spans of MCP messages, as OpenTelemetry's
// conventions for MCP name them, and sends them by OTLP. It never blocks a
// request: what cannot be sent in time is dropped and counted. It refuses to
// know what a span must not show: it is given no ids, arguments or bodies.
//
// https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp
package tracing

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/mooring-mcp/mooring/adapters/launch/version"
	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// Part says what makes the spans.
type Part struct {
	// Name is that of the program, such as bridge.
	Name string
	// Adapter and Instance say which replica of which adapter it is. Empty means
	// none.
	Adapter, Instance string
	// Behind says that a gateway chooses which traces are recorded: where it says
	// nothing, none is.
	Behind bool
}

// Tracer makes spans. Nil makes none, at no cost. It is safe for use by several
// goroutines.
type Tracer struct {
	tracer  trace.Tracer
	queue   *queue
	follows bool
	// obeys says that what others do not record is not recorded here, and behind
	// that what they do not know is not either.
	obeys, behind bool
	// choice chooses where there is nobody to obey.
	choice   sdktrace.Sampler
	settings otlp.Settings
}

// scope names this package to who looks at spans.
const scope = "github.com/mooring-mcp/mooring/adapters/tracing"

// Bounds of one span, whatever is put into it.
const (
	maxAttributes = 32
	maxLinks      = 4
	maxValue      = 256
)

// Open is a Tracer for the part, or nil where s says that traces are off. It
// connects to nothing yet. Its metrics are registered with reg.
func Open(s otlp.Settings, part Part, reg prometheus.Registerer) (*Tracer, error) {
	if !s.On() {
		return nil, nil
	}
	// The libraries' own messages would go to standard error as text, and quote
	// headers that they cannot read; those were read by package otlp.
	otel.SetLogger(logr.Discard())
	exporter, err := newExporter(s, reg)
	if err != nil {
		return nil, fmt.Errorf("opening traces: %w", err)
	}
	return open(s, part, reg, exporter), nil
}

func open(s otlp.Settings, part Part, reg prometheus.Registerer, exporter sdktrace.SpanExporter) *Tracer {
	t := &Tracer{
		queue: newQueue(s, exporter, reg), follows: s.Sampler.ParentBased, obeys: s.Sampler.ParentBased || part.Behind, behind: part.Behind,
		choice: sampler(s.Sampler), settings: s,
	}
	chosen := t.choice
	if part.Behind {
		chosen = sdktrace.ParentBased(sdktrace.NeverSample())
	}
	t.tracer = t.of(part, sdktrace.WithSampler(chosen))
	return t
}

// Gateway is a Tracer of the requests that t's part chooses by Choose: it makes
// them by Tell, as spans of a part of that name. What runs t sends them too.
func (t *Tracer) Gateway(name string) *Tracer {
	if t == nil {
		return nil
	}
	gateway := *t
	gateway.tracer = t.of(Part{Name: name}, sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithIDGenerator(givenIDs{}))
	return &gateway
}

func (t *Tracer) of(part Part, options ...sdktrace.TracerProviderOption) trace.Tracer {
	provider := sdktrace.NewTracerProvider(append(options,
		sdktrace.WithSpanProcessor(t.queue), sdktrace.WithResource(resourceOf(t.settings, part)),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{
			AttributeCountLimit: maxAttributes, AttributeValueLengthLimit: maxValue, LinkCountLimit: maxLinks,
			EventCountLimit: maxLinks, AttributePerEventCountLimit: maxLinks, AttributePerLinkCountLimit: maxLinks,
		}),
	)...)
	return provider.Tracer(scope, trace.WithInstrumentationVersion(version.String()))
}

// Run sends spans until ctx ends, and what is left then for a short time. It
// must run once.
func (t *Tracer) Run(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.queue.run(ctx)
}

func sampler(s otlp.Sampler) sdktrace.Sampler {
	root := sdktrace.TraceIDRatioBased(s.Ratio)
	if s.ParentBased {
		return sdktrace.ParentBased(root)
	}
	return root
}

// chooses reports whether the trace is recorded that a request is in which came
// with this parent, valid or not.
func (t *Tracer) chooses(parent Parent, id trace.TraceID) bool {
	return t.choice.ShouldSample(sdktrace.SamplingParameters{
		ParentContext: trace.ContextWithRemoteSpanContext(context.Background(), parent), TraceID: id,
	}).Decision == sdktrace.RecordAndSample
}

func resourceOf(s otlp.Settings, part Part) *resource.Resource {
	all := []attribute.KeyValue{
		attribute.String("service.name", serviceName(s, part.Name)), attribute.String("service.version", version.String()),
		attribute.String("telemetry.sdk.language", "go"), attribute.String("telemetry.sdk.name", "opentelemetry"),
		attribute.String("telemetry.sdk.version", otel.Version()), attribute.String("mooring.part", part.Name),
	}
	if part.Adapter != "" {
		all = append(all, attribute.String("mooring.adapter", part.Adapter))
	}
	if part.Instance != "" {
		all = append(all, attribute.String("service.instance.id", part.Instance))
	}
	for name, value := range s.Attributes {
		all = append(all, attribute.String(name, value))
	}
	return resource.NewSchemaless(all...)
}

// serviceName is what a part is called.
func serviceName(s otlp.Settings, part string) string {
	if s.ServiceName != "" {
		return s.ServiceName
	}
	return "mooring-" + part
}

// lastSend is how long spans that are left at the end may take.
const lastSend = 2 * time.Second
