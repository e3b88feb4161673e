package adapters

// UpstreamAuth says what reaches the server of who calls. The client's own
// token never does.
type UpstreamAuth struct {
	// Mode is what reaches it. Required.
	Mode UpstreamMode `json:"mode"`
}

// UpstreamMode is a kind of UpstreamAuth.
type UpstreamMode string

// The modes.
const (
	// UpstreamNone means that nothing does. It is what no UpstreamAuth means.
	UpstreamNone UpstreamMode = "none"
	// UpstreamIdentity means headers that name the caller, and a token signed by
	// the gateway that proves them.
	UpstreamIdentity UpstreamMode = "identity"
)

// variableForward tells the bridge which of the gateway's headers a remote
// server gets.
const variableForward = "MCP_PROXY_FORWARD"

// normalize is u in memory of its own, or nil where it says nothing.
func (u *UpstreamAuth) normalize() *UpstreamAuth {
	if u.Is(UpstreamNone) {
		return nil
	}
	out := *u
	return &out
}

// Is reports whether u, which may be nil, has the mode.
func (u *UpstreamAuth) Is(mode UpstreamMode) bool {
	if u == nil {
		return mode == UpstreamNone
	}
	return u.Mode == mode
}

// environment adds to env what the bridge must know of u.
func (u *UpstreamAuth) environment(env map[string]string) {
	if _, remote := env[variableProxyURL]; !remote {
		return
	}
	if u.Is(UpstreamIdentity) {
		env[variableForward] = string(UpstreamIdentity)
	}
}

// upstreamAuth says what is wrong with s.UpstreamAuth.
func (f *faultList) upstreamAuth(s Spec) {
	u := s.UpstreamAuth
	if u == nil {
		return
	}
	switch u.Mode {
	case UpstreamNone, UpstreamIdentity:
	default:
		f.add("/upstreamAuth/mode", "It must be none or identity.")
	}
	if _, stdio := s.EnvironmentVariables[variableCommand]; stdio && s.ImageName == BridgeImage && u.Mode != UpstreamNone {
		f.add("/upstreamAuth", "A server that MCP_COMMAND runs sees no headers, so nothing can reach it.")
	}
}
