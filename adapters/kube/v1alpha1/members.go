package v1alpha1

// VariableValue is the value of a variable.
//
// +kubebuilder:validation:MaxLength=65536
// +kubebuilder:validation:Pattern=`^[^\x00]*$`
type VariableValue string

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`
type LabelValue string

// PrintableText is a role, or the name of a tool with * for any characters.
//
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f]+$`
type PrintableText string

// Scope is a scope of OAuth.
//
// +kubebuilder:validation:Pattern=`^[!#-\[\]-~]{1,128}$`
type Scope string

// SecretReference names a key of a Secret in the adapter's namespace.
type SecretReference struct {
	// Name of the Secret.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$`
	Name string `json:"name"`
	// Key in the Secret.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]+$`
	Key string `json:"key"`
}

// ToolRules say which tools may be called.
type ToolRules struct {
	// Allow names the tools that may be called; * stands for any characters.
	// Absent: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Allow []PrintableText `json:"allow,omitempty"`
	// Deny names tools that may not be called, whatever allow says.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	Deny []PrintableText `json:"deny,omitempty"`
	// Expression is a CEL expression of type bool that must hold as well.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`
}

// TrafficLimits bound what is asked of one adapter at a time.
type TrafficLimits struct {
	// RequestTimeoutSeconds is how long the server may take for the whole answer
	// to a POST.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	RequestTimeoutSeconds int `json:"requestTimeoutSeconds,omitempty"`
	// RequestBodyBytes is the size of the largest body of a request.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4194304
	RequestBodyBytes int `json:"requestBodyBytes,omitempty"`
	// ConcurrentRequests is how many requests, streams included, are open to the
	// adapter at a time.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	ConcurrentRequests int `json:"concurrentRequests,omitempty"`
	// ConcurrentRequestsPerPrincipal is how many of them one principal may have.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	ConcurrentRequestsPerPrincipal int `json:"concurrentRequestsPerPrincipal,omitempty"`
	// ConcurrentStreams is how many streams of server messages are open to the
	// adapter at a time.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	ConcurrentStreams int `json:"concurrentStreams,omitempty"`
	// ConcurrentStreamsPerPrincipal is how many of them one principal may have.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	ConcurrentStreamsPerPrincipal int `json:"concurrentStreamsPerPrincipal,omitempty"`
	// RequestsPerSecond is how many requests may come in a second.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	RequestsPerSecond int `json:"requestsPerSecond,omitempty"`
	// RequestsPerSecondPerPrincipal is how many of them one principal may send.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	RequestsPerSecondPerPrincipal int `json:"requestsPerSecondPerPrincipal,omitempty"`
}

// UpstreamAuth says what reaches the server of who calls.
//
// +kubebuilder:validation:XValidation:rule="self.mode == 'static' ? has(self.secret) : (!has(self.secret) && !has(self.header) && !has(self.scheme))",message="static needs secret; secret, header and scheme are for nothing else"
// +kubebuilder:validation:XValidation:rule="self.mode == 'tokenExchange' ? (has(self.audience) || has(self.resource)) : (!has(self.audience) && !has(self.resource) && !has(self.scopes))",message="tokenExchange needs audience or resource; audience, resource and scopes are for nothing else"
type UpstreamAuth struct {
	// Mode is what reaches it: none, identity (headers that name the caller, and a
	// token that proves them), static (a header with a secret of the adapter), or
	// tokenExchange (a token that the issuer gives in place of the caller's).
	// +required
	// +kubebuilder:validation:Enum=none;identity;static;tokenExchange
	Mode string `json:"mode"`
	// Secret, for static, names the one of secretEnvironmentVariables that the
	// header gets.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Secret string `json:"secret,omitempty"`
	// Header is the header. Absent means Authorization.
	// +optional
	// +kubebuilder:validation:Pattern="^[A-Za-z0-9!#$%&'*+.^_|~-]{1,128}$"
	Header string `json:"header,omitempty"`
	// Scheme stands before the secret, with a space between, such as Bearer.
	// +optional
	// +kubebuilder:validation:Pattern="^[A-Za-z0-9!#$%&'*+.^_|~-]{1,64}$"
	Scheme string `json:"scheme,omitempty"`
	// Audience, for tokenExchange, is the audience that the token is for.
	// +optional
	// +kubebuilder:validation:Pattern=`^[!-~]{1,512}$`
	Audience string `json:"audience,omitempty"`
	// Resource, for tokenExchange, is the URI of what the token is for.
	// +optional
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9+.-]*:[!"$-~]{1,480}$`
	Resource string `json:"resource,omitempty"`
	// Scopes, for tokenExchange, are what it is asked for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Scopes []Scope `json:"scopes,omitempty"`
}
