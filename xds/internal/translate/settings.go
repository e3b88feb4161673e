package translate

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/adapters/otlp"
)

// Settings are what is the same for all adapters.
type Settings struct {
	// Listen is the address of the public listener: an IP address or localhost,
	// and a port. No host means all addresses. Required.
	Listen string
	// OpsListen is the address of the operations listener. Required.
	OpsListen string
	// PublicURL names the gateway to the world. Its host is the one that is
	// answered to. Empty means http:// and Listen.
	PublicURL string
	// OpsAnyHost makes the operations listener answer whatever Host it is asked
	// for: in a cluster, who scrapes calls pods by their addresses. False means the
	// public host and the listener's own names alone.
	OpsAnyHost bool
	// Limits bound what one client may ask for.
	Limits Limits
	// Fast lets Envoy serve by itself what it can, of adapters with inspection
	// session. False means that the external processor judges every request.
	Fast bool
	// Pods says that the servers are pods, whose machines may vanish without a
	// word. False means that they are on this machine.
	Pods bool
	// Waker has requests held to adapters without a replica that serves. The zero
	// value has them refused, after some tries where they may be sent again.
	Waker Waker
	// Told is a key of Envoy's runtime that, at 0, has nobody told of a request: its
	// log has no line of it, and what Envoy may let pass by itself is in no trace. It
	// is for measuring what those cost. Empty means that all are told of, always.
	Told string
	// Traces say which traces are recorded: what Envoy may let pass by itself is in
	// none of them. Nil means that none are.
	Traces *otlp.Sampler
}

// Waker is how requests are held.
type Waker struct {
	// Listen is an address in Envoy's own machine, which adapters do not reach: by
	// it, requests find the control plane. Empty means that none are held.
	Listen string
	// Hold is how long the control plane holds a request. Required with Listen.
	Hold time.Duration
}

// On reports whether requests are held.
func (w Waker) On() bool { return w.Listen != "" }

// Limits bound what one client may ask for. Zero values mean the defaults.
type Limits struct {
	// StreamDuration is how long a stream of an adapter may stay open, so that
	// it does not outlive a token or a role for long. Zero means an hour.
	StreamDuration time.Duration
	// RequestTimeout is how long a request may take to arrive. Zero means 60 s.
	RequestTimeout time.Duration
	// RequestHeadersTimeout is how long its headers may. Zero means 10 s.
	RequestHeadersTimeout time.Duration
	// InspectionTimeout is how long the external processor may take for one
	// message. Zero means 10 s.
	InspectionTimeout time.Duration
	// BufferBytes bounds what Envoy holds of one connection. It must lie above
	// the external processor's body limit: a body over this one stalls. Zero
	// means 5 MiB.
	BufferBytes uint32
	// AdapterRequests bounds the requests, streams included, that are open to
	// one adapter at a time, where the adapter does not say. Zero means 1024.
	AdapterRequests uint32
	// BodyBytes is the largest body that the external processor takes, so that
	// Envoy lets no larger one pass. Zero means 4 MiB.
	BodyBytes int64
	// AnswerTimeout bounds the answer to a POST, where the adapter does not say.
	// Zero means that only StreamDuration does.
	AnswerTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.StreamDuration, time.Hour)
	orDefault(&l.RequestTimeout, time.Minute)
	orDefault(&l.RequestHeadersTimeout, 10*time.Second)
	orDefault(&l.InspectionTimeout, 10*time.Second)
	orDefault(&l.BufferBytes, 5<<20)
	orDefault(&l.AdapterRequests, 1024)
	orDefault(&l.BodyBytes, 4<<20)
	return l
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// resolved is Settings in the form that the listeners are made of.
type resolved struct {
	public, ops netip.AddrPort
	// hosts and opsHosts are the values of Host that each listener answers.
	hosts, opsHosts []string
	limits          Limits
	// address is what tokens call the adapters by.
	address authn.Address
	fast    bool
	pods    bool
	traces  *otlp.Sampler
	told    string
	waker   waker
}

// Addresses are those that the gateway listens at. It is an error when one of
// them is not an address.
func (s Settings) Addresses() ([]netip.AddrPort, error) {
	public, ops, err := s.listenAddresses()
	if err != nil {
		return nil, err
	}
	return []netip.AddrPort{public, ops}, nil
}

func (s Settings) listenAddresses() (public, ops netip.AddrPort, err error) {
	public, publicErr := listenAddress("listen address", s.Listen)
	ops, opsErr := listenAddress("operations address", s.OpsListen)
	return public, ops, errors.Join(publicErr, opsErr)
}

func (s Settings) resolve() (resolved, error) {
	public, ops, listenErr := s.listenAddresses()
	if s.PublicURL == "" {
		s.PublicURL = "http://" + s.Listen
	}
	u, urlErr := publicURL(s.PublicURL)
	address, addressErr := authn.ParseAddress(s.PublicURL)
	if urlErr != nil || !s.Fast {
		addressErr = nil // nobody asks for it
	}
	waker, wakerErr := s.Waker.resolve()
	if err := errors.Join(listenErr, urlErr, addressErr, wakerErr); err != nil {
		return resolved{}, err
	}
	opsHosts := []string{anyHost}
	if !s.OpsAnyHost {
		opsHosts = answeredHosts(withPort(u.Hostname(), ops.Port()), "http", ops)
	}
	return resolved{
		public:   public,
		ops:      ops,
		hosts:    answeredHosts(u.Host, u.Scheme, public),
		opsHosts: opsHosts,
		limits:   s.Limits.withDefaults(),
		address:  address,
		fast:     s.Fast,
		pods:     s.Pods,
		traces:   s.Traces,
		told:     s.Told,
		waker:    waker,
	}, nil
}

func listenAddress(what, text string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s: %w", what, err)
	}
	switch host {
	case "localhost":
		host = "127.0.0.1"
	case "":
		host = "0.0.0.0"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%s: %q is not an IP address", what, host)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return netip.AddrPort{}, fmt.Errorf("%s: %q is not a port", what, port)
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}

func publicURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("public URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("public URL: %q is not http:// or https:// and a host", text)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("public URL: %q has no port from 1 to 65535", text)
		}
	}
	return u, nil
}

// anyHost is a virtual host's domain for all.
const anyHost = "*"

// answeredHosts are the exact values of Host that name the gateway: the public
// one, the listener's own address, and where it listens on loopback the names of
// that. A page on another name that resolves here (DNS rebinding) has none of
// them.
func answeredHosts(public, scheme string, listen netip.AddrPort) []string {
	hosts := []string{withoutDefaultPort(strings.ToLower(public), scheme)}
	if !listen.Addr().IsUnspecified() {
		hosts = append(hosts, withPort(listen.Addr().String(), listen.Port()))
	}
	if listen.Addr().IsLoopback() || listen.Addr().IsUnspecified() {
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			hosts = append(hosts, withPort(name, listen.Port()))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// withPort is the Host header that clients send for host and port over http:
// without the port when that is 80.
func withPort(host string, port uint16) string {
	return withoutDefaultPort(net.JoinHostPort(strings.ToLower(host), strconv.Itoa(int(port))), "http")
}

func withoutDefaultPort(hostport, scheme string) string {
	if scheme == "https" {
		return strings.TrimSuffix(hostport, ":443")
	}
	return strings.TrimSuffix(hostport, ":80")
}
