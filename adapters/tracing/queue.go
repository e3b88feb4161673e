package tracing

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// queue is a span processor of bounded size. Unlike the SDK's own it has no
// goroutine of its own making, and counts what it drops.
type queue struct {
	exporter sdktrace.SpanExporter
	waiting  chan sdktrace.ReadOnlySpan
	batch    int
	delay    time.Duration
	timeout  time.Duration

	exported, dropped, failed prometheus.Counter
}

func newQueue(s otlp.Settings, exporter sdktrace.SpanExporter, reg prometheus.Registerer) *queue {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mooring_trace_spans_total",
		Help: "Spans by what became of them: exported, dropped since too many waited, failed to be sent.",
	}, []string{"result"})
	q := &queue{
		exporter: exporter, waiting: make(chan sdktrace.ReadOnlySpan, s.Queue), batch: s.Batch, delay: s.Delay, timeout: s.Timeout,
		exported: spans.WithLabelValues("exported"), dropped: spans.WithLabelValues("dropped"), failed: spans.WithLabelValues("failed"),
	}
	reg.MustRegister(spans)
	return q
}

// OnStart implements sdktrace.SpanProcessor.
func (*queue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor. It never waits.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case q.waiting <- s:
	default:
		q.dropped.Inc()
	}
}

// Shutdown implements sdktrace.SpanProcessor. The end of run is the end.
func (*queue) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor. Nobody may wait for a flush.
func (*queue) ForceFlush(context.Context) error { return nil }

// run sends what waits, in batches.
func (q *queue) run(ctx context.Context) error {
	for ctx.Err() == nil {
		q.send(ctx, q.next(ctx))
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSend)
	defer cancel()
	for len(q.waiting) > 0 && last.Err() == nil {
		q.send(last, q.next(ctx))
	}
	// The connection ends with the process, whatever it says.
	_ = q.exporter.Shutdown(last)
	return nil
}

// next is the next batch: a full one, or what there is once the oldest has waited
// for long enough or ctx ends.
func (q *queue) next(ctx context.Context) []sdktrace.ReadOnlySpan {
	var batch []sdktrace.ReadOnlySpan
	var over <-chan time.Time
	for len(batch) < q.batch {
		select {
		case s := <-q.waiting:
			batch = append(batch, s)
			continue
		default:
		}
		if over == nil && len(batch) > 0 {
			timer := time.NewTimer(q.delay)
			defer timer.Stop()
			over = timer.C
		}
		select {
		case s := <-q.waiting:
			batch = append(batch, s)
		case <-over:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
	return batch
}

func (q *queue) send(ctx context.Context, batch []sdktrace.ReadOnlySpan) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	if err := q.exporter.ExportSpans(ctx, batch); err != nil {
		q.failed.Add(float64(len(batch)))
		return
	}
	q.exported.Add(float64(len(batch)))
}

var _ sdktrace.SpanProcessor = (*queue)(nil)
