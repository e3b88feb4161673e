package translate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	detectorsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/resource_detectors/v3"
	samplersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/samplers/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	tracingtypev3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mooring-mcp/mooring/adapters/otlp"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

const (
	serviceEnvoy = "mooring-envoy"
	// maxSamples is what a ratio is counted in.
	maxSamples = 1_000_000
)

// tracing makes Envoy record spans, or is nil where s records none.
func tracing(s otlp.Settings, f found) *hcmv3.HttpConnectionManager_Tracing {
	if !s.On() {
		return nil
	}
	return &hcmv3.HttpConnectionManager_Tracing{
		Provider: &tracev3.Tracing_Http{
			Name:       "envoy.tracers.opentelemetry",
			ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: packed(tracer(s))},
		},
		// The sampler chooses; nothing that a client sends forces Envoy's hand.
		ClientSampling:  &typev3.Percent{Value: 0},
		RandomSampling:  &typev3.Percent{Value: 100},
		OverallSampling: &typev3.Percent{Value: 100},
		CustomTags:      spanTags(f),
		// Without a message that was read, the name is that of the route.
		Operation: "%REQ(:METHOD)% " + firstOf(operator{"DYNAMIC_METADATA", contract.MetadataNamespace + ":" + contract.MetadataSpan}, operator{Command: "ROUTE_NAME"}),
	}
}

func tracer(s otlp.Settings) *tracev3.OpenTelemetryConfig {
	attributes := map[string]string{"mooring.part": "envoy"}
	for name, value := range s.Attributes {
		attributes[name] = value
	}
	config := &tracev3.OpenTelemetryConfig{
		ServiceName:  cmp.Or(s.ServiceName, serviceEnvoy),
		MaxCacheSize: wrapperspb.UInt32(uint32(s.Queue)),
		Sampler:      sampler(s.Sampler),
		ResourceDetectors: []*corev3.TypedExtensionConfig{
			extension("envoy.tracers.opentelemetry.resource_detectors.static_config", &detectorsv3.StaticConfigResourceDetectorConfig{Attributes: attributes}),
		},
	}
	if s.Protocol == otlp.GRPC {
		config.GrpcService = grpcService(contract.ClusterOTLP)
		config.GrpcService.Timeout = durationpb.New(s.Timeout)
		config.GrpcService.InitialMetadata = headerValues(s.Headers)
		return config
	}
	config.HttpService = &corev3.HttpService{HttpUri: &corev3.HttpUri{
		Uri: s.Endpoint, Timeout: durationpb.New(s.Timeout), HttpUpstreamType: &corev3.HttpUri_Cluster{Cluster: contract.ClusterOTLP},
	}}
	for _, h := range headerValues(s.Headers) {
		// A percent sign begins a format.
		h.Value = strings.ReplaceAll(h.Value, "%", "%%")
		config.HttpService.RequestHeadersToAdd = append(config.HttpService.RequestHeadersToAdd, &corev3.HeaderValueOption{Header: h})
	}
	return config
}

// headerValues are in order of name.
func headerValues(headers map[string]string) []*corev3.HeaderValue {
	var all []*corev3.HeaderValue
	for name, value := range headers {
		all = append(all, &corev3.HeaderValue{Key: name, Value: value})
	}
	slices.SortFunc(all, func(a, b *corev3.HeaderValue) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// sampler chooses as the SDKs do, but for its arithmetic: parts behind Envoy
// follow its choice.
func sampler(s otlp.Sampler) *corev3.TypedExtensionConfig {
	root := extension("envoy.tracers.opentelemetry.samplers.always_on", &samplersv3.AlwaysOnSamplerConfig{})
	if s.Ratio < 1 {
		root = extension("envoy.tracers.opentelemetry.samplers.trace_id_ratio_based", &samplersv3.TraceIdRatioBasedSamplerConfig{
			SamplingPercentage: &typev3.FractionalPercent{
				Numerator: uint32(math.Round(s.Ratio * maxSamples)), Denominator: typev3.FractionalPercent_MILLION,
			},
		})
	}
	if !s.ParentBased {
		return root
	}
	return extension("envoy.tracers.opentelemetry.samplers.parent_based", &samplersv3.ParentBasedSamplerConfig{WrappedSampler: root})
}

// spanTags are what Envoy's spans tell beside Envoy's own: what the external
// processor found. The URL is without its query, which may hold anything.
func spanTags(f found) []*tracingtypev3.CustomTag {
	tags := []*tracingtypev3.CustomTag{
		{Tag: "http.url", Type: &tracingtypev3.CustomTag_Value{Value: "%PATH(NQ)%"}},
		{Tag: "http.route", Type: &tracingtypev3.CustomTag_Value{Value: "%ROUTE_NAME%"}},
	}
	for _, t := range []struct{ tag, key string }{
		{"mcp.method.name", contract.MetadataMethod}, {"gen_ai.tool.name", contract.MetadataTool},
		{"mooring.adapter", contract.MetadataAdapter}, {"mooring.era", contract.MetadataEra},
		{"mooring.verdict", contract.MetadataVerdict}, {"mooring.principal.hash", contract.MetadataPrincipal},
		{"mcp.session.id", contract.MetadataSession}, {"mooring.message.trace_id", contract.MetadataTrace},
	} {
		tags = append(tags, &tracingtypev3.CustomTag{Tag: t.tag, Type: &tracingtypev3.CustomTag_Value{
			Value: f.format(t.key),
		}})
	}
	return tags
}

// collector is the cluster that Envoy sends its spans to.
func collector(s otlp.Settings) (*clusterv3.Cluster, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, errors.New("the endpoint for traces is not a URL")
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]), 10, 16)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the endpoint for traces has no host or port")
	}
	for name, value := range s.Headers {
		if s.Protocol == otlp.GRPC && strings.Contains(value, "%") {
			// It looks for formats in metadata, and sends what is escaped as it is.
			return nil, fmt.Errorf("the header %s for traces has a percent sign, which Envoy cannot send by gRPC: take http/protobuf", name)
		}
	}
	cluster := &clusterv3.Cluster{
		Name:                 contract.ClusterOTLP,
		AltStatName:          strings.ReplaceAll(contract.ClusterOTLP, ".", "_"),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STRICT_DNS},
		DnsLookupFamily:      clusterv3.Cluster_ALL,
		ConnectTimeout:       durationpb.New(connectTimeout),
		// Envoy is not to wait for a collector, wherever that is.
		WaitForWarmOnInit: wrapperspb.Bool(false),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: contract.ClusterOTLP,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: &corev3.Address{
					Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
						Address: u.Hostname(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
					}},
				}}},
			}}}},
		},
	}
	if s.Protocol == otlp.GRPC {
		cluster.TypedExtensionProtocolOptions = map[string]*anypb.Any{upstreamOptionsKey: packed(&upstreamhttpv3.HttpProtocolOptions{
			UpstreamProtocolOptions: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
						Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
					},
				},
			},
		})}
	}
	if s.Secure() {
		cluster.TransportSocket = collectorTLS(s, u.Hostname())
	}
	return cluster, nil
}

// collectorTLS verifies the collector, and says who sends. SNI is for names: an
// address is looked for in the certificate by itself.
func collectorTLS(s otlp.Settings, host string) *corev3.TransportSocket {
	trusted := &tlsv3.CertificateValidationContext{SystemRootCerts: &tlsv3.CertificateValidationContext_SystemRootCerts{}}
	if s.Certificate != "" {
		trusted = &tlsv3.CertificateValidationContext{TrustedCa: fileSource(s.Certificate)}
	}
	common := &tlsv3.CommonTlsContext{ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: trusted}}
	if s.ClientCertificate != "" {
		common.TlsCertificates = []*tlsv3.TlsCertificate{{CertificateChain: fileSource(s.ClientCertificate), PrivateKey: fileSource(s.ClientKey)}}
	}
	if s.Protocol == otlp.GRPC {
		common.AlpnProtocols = []string{"h2"}
	}
	upstream := &tlsv3.UpstreamTlsContext{CommonTlsContext: common}
	if address, err := netip.ParseAddr(host); err == nil {
		trusted.MatchTypedSubjectAltNames = []*tlsv3.SubjectAltNameMatcher{{
			SanType: tlsv3.SubjectAltNameMatcher_IP_ADDRESS,
			Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: address.String()}},
		}}
	} else {
		upstream.Sni, upstream.AutoSniSanValidation = host, true
	}
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(upstream)},
	}
}

func fileSource(path string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
}
