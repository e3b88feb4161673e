package bootstrap

import (
	"fmt"
	"path/filepath"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Names of the secrets, each of which is in a file of its own: Envoy takes one
// from a file.
const (
	secretCertificate = "certificate"
	secretAuthority   = "authority"
	secretExtension   = ".yaml"
)

// Files of CertificateDir.
const (
	certificateFile = "tls.crt"
	keyFile         = "tls.key"
	authorityFile   = "ca.crt"
)

const transportTLS = "envoy.transport_sockets.tls"

// transport is TLS 1.3 with Envoy's certificate, to whoever has one for the host
// from the same authority.
func (p *ControlPlane) transport() (*corev3.TransportSocket, error) {
	config, err := anypb.New(&tlsv3.UpstreamTlsContext{
		Sni: p.Host,
		CommonTlsContext: &tlsv3.CommonTlsContext{
			TlsParams: &tlsv3.TlsParameters{
				TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
				TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
			},
			TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{p.secret(secretCertificate)},
			ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
				CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
					DefaultValidationContext:         &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: p.names()},
					ValidationContextSdsSecretConfig: p.secret(secretAuthority),
				},
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("rendering the control plane's TLS: %w", err)
	}
	return &corev3.TransportSocket{
		Name: transportTLS, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: config},
	}, nil
}

func (p *ControlPlane) names() []*tlsv3.SubjectAltNameMatcher {
	return []*tlsv3.SubjectAltNameMatcher{{
		SanType: tlsv3.SubjectAltNameMatcher_DNS,
		Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: p.Host}},
	}}
}

// secret is where Envoy reads a secret from.
func (p *ControlPlane) secret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{
		Name: name,
		SdsConfig: &corev3.ConfigSource{
			ResourceApiVersion: corev3.ApiVersion_V3,
			ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
				Path: filepath.Join(p.SecretsDir, name+secretExtension),
			}},
		},
	}
}

// Secrets are the files of SecretsDir by name. They hold no secret but say where
// those are: only what Envoy is told of in this way is read again when it
// changes.
func (p *ControlPlane) Secrets() (map[string][]byte, error) {
	watched := &corev3.WatchedDirectory{Path: p.CertificateDir}
	files := make(map[string][]byte)
	for _, secret := range []*tlsv3.Secret{
		{Name: secretCertificate, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: p.file(certificateFile), PrivateKey: p.file(keyFile), WatchedDirectory: watched,
		}}},
		{Name: secretAuthority, Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: p.file(authorityFile), WatchedDirectory: watched,
		}}},
	} {
		text, err := discovered(secret)
		if err != nil {
			return nil, err
		}
		files[secret.GetName()+secretExtension] = text
	}
	return files, nil
}

func (p *ControlPlane) file(name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: filepath.Join(p.CertificateDir, name)}}
}

// discovered is m in the form that Envoy reads from a file.
func discovered(m proto.Message) ([]byte, error) {
	resource, err := anypb.New(m)
	if err != nil {
		return nil, fmt.Errorf("rendering a secret: %w", err)
	}
	return render(&discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{resource}})
}
