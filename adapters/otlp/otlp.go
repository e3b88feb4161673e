// Package otlp reads OpenTelemetry's environment variables: whether traces are
// recorded, which of them, and where they go. It starts nothing and sends
// nothing; package tracing is made of what it reads, so that all parts send to the
// same place, and what the control plane tells Envoy of samplers.
//
// The variables are those of OpenTelemetry's specification:
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
// and https://opentelemetry.io/docs/specs/otel/protocol/exporter/
package otlp

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Protocol is how spans are sent.
type Protocol string

// The protocols.
const (
	GRPC         Protocol = "grpc"
	HTTPProtobuf Protocol = "http/protobuf"
)

// Settings say which traces are recorded and where they go. The zero value
// records none.
type Settings struct {
	// Protocol is empty where traces are off.
	Protocol Protocol `json:"protocol"`
	// Endpoint is where spans are sent: a URL with scheme http or https. With
	// HTTPProtobuf it has the path too.
	Endpoint string `json:"endpoint"`
	// Headers are sent along, and may hold credentials. Nil means none.
	Headers map[string]string `json:"headers"`
	// Certificate is the file (PEM) of the authorities that the endpoint may have
	// its certificate from. Empty means the system's.
	Certificate string `json:"certificate"`
	// ClientCertificate and ClientKey are the files (PEM) that the endpoint knows
	// the sender by. Empty means none.
	ClientCertificate string `json:"clientCertificate"`
	ClientKey         string `json:"clientKey"`
	// Gzip says that what is sent is compressed.
	Gzip bool `json:"gzip"`
	// Timeout is how long one batch may take.
	Timeout time.Duration `json:"timeout"`
	// Sampler says which traces are recorded.
	Sampler Sampler `json:"sampler"`
	// ServiceName is what all parts are called. Empty means that each has a name
	// of its own.
	ServiceName string `json:"serviceName"`
	// Attributes are those of all parts. Nil means none.
	Attributes map[string]string `json:"attributes"`
	// Queue is how many spans may wait to be sent, Batch how many are sent at
	// once, and Delay how long one may wait for others.
	Queue int           `json:"queue"`
	Batch int           `json:"batch"`
	Delay time.Duration `json:"delay"`
}

// Sampler says which traces are recorded.
type Sampler struct {
	// ParentBased says that a caller's own choice counts, where it made one.
	ParentBased bool `json:"parentBased"`
	// Ratio is the share of traces that are recorded, from 0 to 1.
	Ratio float64 `json:"ratio"`
}

// On reports whether traces are recorded.
func (s Settings) On() bool { return s.Protocol != "" }

// Secure reports whether spans are sent over TLS.
func (s Settings) Secure() bool { return strings.HasPrefix(s.Endpoint, "https:") }

// Defaults of the specification.
const (
	defaultTimeout = 10 * time.Second
	defaultQueue   = 2048
	defaultBatch   = 512
	defaultDelay   = 5 * time.Second
	// mostQueued bounds the memory of a queue, whatever is asked for.
	mostQueued = 1 << 16
	tracesPath = "v1/traces"
)

// Read is what the variables say, of which get knows the values. Traces are off
// unless OTEL_TRACES_EXPORTER is otlp or an endpoint is named. Every fault is
// named in the error, and no value but of those that hold no secret.
func Read(get func(name string) string) (Settings, error) {
	e := environment{get: get}
	if !e.enabled() {
		return Settings{}, errors.Join(e.faults...)
	}
	s := Settings{
		Protocol: e.protocol(), Headers: e.headers(), Timeout: e.milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", e.exporter("TIMEOUT"), defaultTimeout),
		Certificate: e.exporter("CERTIFICATE"), ClientCertificate: e.exporter("CLIENT_CERTIFICATE"), ClientKey: e.exporter("CLIENT_KEY"),
		Gzip: e.exporter("COMPRESSION") == "gzip", Sampler: e.sampler(),
		Queue: e.count("OTEL_BSP_MAX_QUEUE_SIZE", defaultQueue), Batch: e.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", defaultBatch),
		Delay: e.milliseconds("OTEL_BSP_SCHEDULE_DELAY", get("OTEL_BSP_SCHEDULE_DELAY"), defaultDelay),
	}
	s.Endpoint = e.endpoint(s.Protocol)
	s.Attributes = e.pairs("OTEL_RESOURCE_ATTRIBUTES", get("OTEL_RESOURCE_ATTRIBUTES"))
	s.ServiceName = get("OTEL_SERVICE_NAME")
	if name := s.Attributes["service.name"]; name != "" {
		if s.ServiceName == "" {
			s.ServiceName = name
		}
		delete(s.Attributes, "service.name")
	}
	s.Queue = min(s.Queue, mostQueued)
	s.Batch = min(s.Batch, s.Queue)
	return s, errors.Join(e.faults...)
}

// FromEnvironment is Read of the process's own environment.
func FromEnvironment() (Settings, error) { return Read(os.Getenv) }

// environment reads variables and collects what is wrong with them.
type environment struct {
	get    func(string) string
	faults []error
}

func (e *environment) fault(format string, args ...any) {
	e.faults = append(e.faults, fmt.Errorf(format, args...))
}

func (e *environment) enabled() bool {
	if strings.EqualFold(e.get("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	switch exporter := e.get("OTEL_TRACES_EXPORTER"); exporter {
	case "otlp":
		return true
	case "none":
		return false
	case "":
		return e.exporter("ENDPOINT") != ""
	default:
		e.fault("OTEL_TRACES_EXPORTER %q is neither otlp nor none", exporter)
		return false
	}
}

// exporter is a variable that may be for traces alone, or for all signals.
func (e *environment) exporter(name string) string {
	if value := e.get("OTEL_EXPORTER_OTLP_TRACES_" + name); value != "" {
		return value
	}
	return e.get("OTEL_EXPORTER_OTLP_" + name)
}

func (e *environment) protocol() Protocol {
	switch protocol := Protocol(e.exporter("PROTOCOL")); protocol {
	case GRPC, HTTPProtobuf:
		return protocol
	case "":
		return HTTPProtobuf
	default:
		e.fault("OTEL_EXPORTER_OTLP_PROTOCOL %q is neither grpc nor http/protobuf", protocol)
		return HTTPProtobuf
	}
}

// endpoint is a URL. With gRPC the specification allows addresses without a
// scheme too. Credentials in it would show in logs.
func (e *environment) endpoint(protocol Protocol) string {
	own := e.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	text := own
	if text == "" {
		text = e.get("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	if text == "" {
		text = map[Protocol]string{GRPC: "http://localhost:4317", HTTPProtobuf: "http://localhost:4318"}[protocol]
	}
	if protocol == GRPC && !strings.Contains(text, "://") {
		scheme := "https://"
		if strings.EqualFold(e.exporter("INSECURE"), "true") {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		e.fault("OTEL_EXPORTER_OTLP_ENDPOINT is not http:// or https:// with a host, a port and a path")
		return ""
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			e.fault("OTEL_EXPORTER_OTLP_ENDPOINT has no port from 1 to 65535")
			return ""
		}
	}
	switch {
	case protocol == GRPC:
		u.Path = ""
	case own == "":
		u = u.JoinPath(tracesPath)
	case u.Path == "":
		u.Path = "/"
	}
	return u.String()
}

func (e *environment) sampler() Sampler {
	name := e.get("OTEL_TRACES_SAMPLER")
	if name == "" {
		name = "parentbased_always_on"
	}
	kind, parentBased := strings.CutPrefix(name, "parentbased_")
	switch kind {
	case "always_on":
		return Sampler{ParentBased: parentBased, Ratio: 1}
	case "always_off":
		return Sampler{ParentBased: parentBased}
	case "traceidratio":
		return Sampler{ParentBased: parentBased, Ratio: e.ratio()}
	}
	e.fault("OTEL_TRACES_SAMPLER %q is none of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio", name)
	return Sampler{}
}

func (e *environment) ratio() float64 {
	text := e.get("OTEL_TRACES_SAMPLER_ARG")
	if text == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		e.fault("OTEL_TRACES_SAMPLER_ARG %q is not a number from 0 to 1", text)
		return 0
	}
	return ratio
}

func (e *environment) milliseconds(name, text string, missing time.Duration) time.Duration {
	if text == "" {
		return missing
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 {
		e.fault("%s %q is not a number of milliseconds above zero", name, text)
		return missing
	}
	return time.Duration(n) * time.Millisecond
}

func (e *environment) count(name string, missing int) int {
	text := e.get(name)
	if text == "" {
		return missing
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 {
		e.fault("%s %q is not a number above zero", name, text)
		return missing
	}
	return int(n)
}

// headers are pairs, with names in lower case. Values are not named in faults.
func (e *environment) headers() map[string]string {
	headers := map[string]string{}
	for name, value := range e.pairs("OTEL_EXPORTER_OTLP_HEADERS", e.exporter("HEADERS")) {
		if name = strings.ToLower(name); !isHeader(name, value) {
			e.fault("OTEL_EXPORTER_OTLP_HEADERS holds what cannot be a header")
			continue
		}
		headers[name] = value
	}
	return headers
}

func isHeader(name, value string) bool {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return !strings.HasSuffix(name, "-bin")
}

// pairs reads what W3C's baggage looks like: name=value, with a comma between
// each two, and values escaped as in URLs.
func (e *environment) pairs(variable, text string) map[string]string {
	pairs := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || name == "" || err != nil {
			e.fault("%s is not name=value,name=value", variable)
			return pairs
		}
		pairs[name] = value
	}
	return pairs
}
