package otlp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters/otlp"
)

func read(t *testing.T, variables map[string]string) (otlp.Settings, error) {
	t.Helper()
	return otlp.Read(func(name string) string { return variables[name] })
}

func TestOffByDefault(t *testing.T) {
	for _, variables := range []map[string]string{
		{},
		{"OTEL_SERVICE_NAME": "x"},
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
		{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
	} {
		if s, err := read(t, variables); err != nil || s.On() {
			t.Errorf("%v: %+v, %v", variables, s, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for _, tt := range []struct {
		name, protocol, all, own, insecure, want string
	}{
		{name: "the default of http", want: "http://localhost:4318/v1/traces"},
		{name: "the default of gRPC", protocol: "grpc", want: "http://localhost:4317"},
		{name: "a path is added", all: "http://c:4318", want: "http://c:4318/v1/traces"},
		{name: "to the base", all: "https://c/otlp/", want: "https://c/otlp/v1/traces"},
		{name: "one for traces is as it is", own: "http://c:4318/x", all: "http://d", want: "http://c:4318/x"},
		{name: "a path of gRPC means nothing", protocol: "grpc", all: "https://c:4317/x", want: "https://c:4317"},
		{name: "gRPC without a scheme", protocol: "grpc", all: "c:4317", want: "https://c:4317"},
		{name: "the same insecure", protocol: "grpc", all: "c:4317", insecure: "true", want: "http://c:4317"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := read(t, map[string]string{
				"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": tt.protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": tt.all,
				"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": tt.own, "OTEL_EXPORTER_OTLP_INSECURE": tt.insecure,
			})
			if err != nil || s.Endpoint != tt.want {
				t.Errorf("%q, %v; want %q", s.Endpoint, err, tt.want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	got, err := read(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
		"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20x, tenant=a", "OTEL_EXPORTER_OTLP_TIMEOUT": "1500",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
		"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25",
		"OTEL_SERVICE_NAME": "gw", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,team=a%2Cb",
		"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "500", "OTEL_BSP_SCHEDULE_DELAY": "100",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := otlp.Settings{
		Protocol: otlp.GRPC, Endpoint: "http://c:4317", Headers: map[string]string{"authorization": "Bearer x", "tenant": "a"},
		Certificate: "/ca.pem", Gzip: true, Timeout: 1500 * time.Millisecond, Sampler: otlp.Sampler{ParentBased: true, Ratio: .25},
		ServiceName: "gw", Attributes: map[string]string{"deployment.environment.name": "test", "team": "a,b"},
		Queue: 100, Batch: 100, Delay: 100 * time.Millisecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFaultsAreNamedAndSecretsAreNot(t *testing.T) {
	_, err := read(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://user:sesame@c", "OTEL_EXPORTER_OTLP_HEADERS": "sesame", "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier",
		"OTEL_TRACES_SAMPLER": "some", "OTEL_BSP_MAX_QUEUE_SIZE": "-1", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, named := range []string{"ENDPOINT", "HEADERS", "PROTOCOL", "TRACES_SAMPLER", "QUEUE_SIZE", "TIMEOUT"} {
		if !strings.Contains(err.Error(), named) {
			t.Errorf("%s is not named in: %v", named, err)
		}
	}
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("a secret is in: %v", err)
	}
	if _, err := read(t, map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}); err == nil {
		t.Error("an exporter that does not exist was taken")
	}
}

func TestHandedToBridges(t *testing.T) {
	handed := otlp.Handed([]string{"OTEL_TRACES_EXPORTER=otlp", "HOME=/x", "OTEL_EXPORTER_OTLP_HEADERS=a=b"})
	want := map[string]string{"MOORING_OTEL_TRACES_EXPORTER": "otlp", "MOORING_OTEL_EXPORTER_OTLP_HEADERS": "a=b"}
	if diff := cmp.Diff(want, handed); diff != "" {
		t.Error(diff)
	}
	environ := []string{"MOORING_OTEL_TRACES_EXPORTER=otlp", "OTEL_TRACES_EXPORTER=none"}
	if got := otlp.Own(environ, false)("OTEL_TRACES_EXPORTER"); got != "otlp" {
		t.Errorf("behind a gateway: %q", got)
	}
	if got := otlp.Own(environ, true)("OTEL_TRACES_EXPORTER"); got != "none" {
		t.Errorf("alone: %q", got)
	}
	if !otlp.Secret("OTEL_EXPORTER_OTLP_TRACES_HEADERS") || otlp.Secret("OTEL_SERVICE_NAME") {
		t.Error("which variables are secret")
	}
}

func FuzzRead(f *testing.F) {
	f.Add("http://c:4318", "a=b", "x=y", "traceidratio", "0.5")
	f.Add("c:4317", "a=%20", "=", "parentbased_always_on", "NaN")
	f.Fuzz(func(t *testing.T, endpoint, headers, attributes, sampler, arg string) {
		s, err := otlp.Read(func(name string) string {
			return map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_HEADERS": headers, "OTEL_RESOURCE_ATTRIBUTES": attributes,
				"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": arg,
			}[name]
		})
		if err == nil && s.On() && (s.Endpoint == "" || !(s.Sampler.Ratio >= 0 && s.Sampler.Ratio <= 1)) {
			t.Errorf("%+v", s)
		}
	})
}
