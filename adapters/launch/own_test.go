package launch

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestTheGatewayItselfIsNoServer(t *testing.T) {
	p := URLPolicy{
		AllowLoopback: true,
		Allow:         []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
		Own: []netip.AddrPort{
			netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("10.1.2.3:80"), netip.MustParseAddrPort("[::1]:443"),
		},
		OwnHosts: []string{"gateway.example:443"},
	}
	for _, raw := range []string{
		"http://127.0.0.1:8080/adapters/a/mcp", "http://localhost:8080/", "http://LocalHost.:8080/", "http://x.localhost:8080",
		"http://[::1]:8080/", "http://127.1:8080/", "http://2130706433:8080/", "http://0x7f.1:8080", "http://[::ffff:127.0.0.1]:8080/",
		"http://[64:ff9b::127.0.0.1]:8080/", "http://10.1.2.3/", "http://10.1.2.3:80/", "http://167838211/", "https://localhost/",
		"https://gateway.example/adapters/a/mcp", "https://Gateway.Example.:443/", "http://gateway.example:443/",
	} {
		err := CheckURL(raw, p)
		if !errors.Is(err, ErrAddressRefused) || !strings.Contains(err.Error(), "the gateway's own") {
			t.Errorf("%s: got %v, want a refusal", raw, err)
		}
	}
	for _, raw := range []string{
		"http://127.0.0.1:8081/", "http://localhost/", "http://10.1.2.3:8080/", "http://10.1.2.4/", "https://10.1.2.3/",
		"http://gateway.example/", "https://a.gateway.example/",
	} {
		if err := CheckURL(raw, p); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestWildcardIsEveryAddressOfTheMachine(t *testing.T) {
	locals, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, wildcard := range []string{"0.0.0.0:8080", "[::]:8080"} {
		p := URLPolicy{AllowLoopback: true, Own: []netip.AddrPort{netip.MustParseAddrPort(wildcard)}}
		for _, local := range locals {
			addr := netip.MustParsePrefix(local.String()).Addr().WithZone("")
			if err := p.CheckTarget(netip.AddrPortFrom(addr, 8080)); !errors.Is(err, ErrAddressRefused) {
				t.Errorf("listening at %s: %s: %v", wildcard, addr, err)
			}
		}
		for target, allowed := range map[string]bool{
			"127.0.0.9:8080": false, "[::1]:8080": false, "127.0.0.1:8081": true, "192.0.2.1:8080": true,
		} {
			if err := p.CheckTarget(netip.MustParseAddrPort(target)); (err == nil) != allowed {
				t.Errorf("listening at %s: %s: %v", wildcard, target, err)
			}
		}
	}
}

// TestDialOfTheGatewayIsRefused: names are judged by what they resolve to.
func TestDialOfTheGatewayIsRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	own := netip.MustParseAddrPort(listener.Addr().String())
	dialer := net.Dialer{Control: URLPolicy{AllowLoopback: true, Own: []netip.AddrPort{own}}.Control}
	conn, err := dialer.DialContext(t.Context(), "tcp4", listener.Addr().String())
	if conn != nil {
		conn.Close()
	}
	if !errors.Is(err, ErrAddressRefused) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestRefusalsReadAsSentences(t *testing.T) {
	p := URLPolicy{Own: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080")}}
	for raw, want := range map[string]string{
		"http://169.254.169.254/":              "a remote server may not have this address: 169.254.169.254 (metadata service)",
		"http://[fe80::1]/":                    "a remote server may not have this address: fe80::1 (link-local)",
		"http://[64:ff9b::127.0.0.1]/":         "a remote server may not have this address: 64:ff9b::7f00:1 holds 127.0.0.1 (loopback)",
		"http://localhost/":                    "a remote server may not have this address: localhost (loopback)",
		"http://127.0.0.1:8080/adapters/a/mcp": "a remote server may not have this address: 127.0.0.1 (the gateway's own, with port 8080)",
	} {
		if err := CheckURL(raw, p); err == nil || err.Error() != want {
			t.Errorf("%s: got %q, want %q", raw, err, want)
		}
	}
}
