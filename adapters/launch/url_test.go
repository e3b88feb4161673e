package launch

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestCheckURL(t *testing.T) {
	private := URLPolicy{}
	local := URLPolicy{AllowLoopback: true}
	for _, raw := range []string{
		"https://internal-mcp-server/mcp", "http://a.b.example:8443/mcp?key=1", "https://10.1.2.3/mcp", "http://192.168.0.1",
		"http://[fd12::1]:8000/mcp", "http://[2606:4700::1111]/", "http://my_service.compose/", "http://1.example", "HTTP://X/",
		"http://[64:ff9b::8.8.8.8]/", "http://100.64.0.1/", "http://0xabc.example", "http://08.example/",
	} {
		if err := CheckURL(raw, private); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	loopback := []string{
		"http://127.0.0.1/", "http://127.8.8.8/", "http://localhost:80/", "http://LOCALHOST./", "http://a.localhost/",
		"http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://2130706433/", "http://0x7f000001/",
		"http://017700000001/", "http://127.1/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.0.0.1./",
		"http://[64:ff9b::127.0.0.1]/", "http://[2002:7f00:1::]/", "http://[::127.0.0.1]/",
	}
	for _, raw := range loopback {
		if err := CheckURL(raw, private); !errors.Is(err, ErrAddressRefused) {
			t.Errorf("%s: got %v, want a refusal", raw, err)
		}
		if err := CheckURL(raw, local); err != nil {
			t.Errorf("%s with loopback allowed: %v", raw, err)
		}
	}
	for _, raw := range []string{
		"http://169.254.169.254/latest", "http://169.254.1.1/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/",
		"http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://0.0.0.0/", "http://0/", "http://[::]/", "http://224.0.0.1/",
		"http://[ff02::1]/", "http://255.255.255.255/", "http://2852039166/", "http://0xa9fea9fe/", "http://169.254.43518/",
		"http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::1]/",
		"http://[2001::f7f7:f7f7:5601:5601]/", "http://[fd00::5efe:a9fe:a9fe]/", "http://[64:ff9b:1::808:808]/", "http://250.0.0.1/",
		"http://0x/",
	} {
		if err := CheckURL(raw, local); !errors.Is(err, ErrAddressRefused) {
			t.Errorf("%s: got %v, want a refusal", raw, err)
		}
	}
}

func TestCheckURLRefusesForms(t *testing.T) {
	for _, raw := range []string{
		"", "internal/mcp", "ftp://a/", "unix:///run/x.sock", "file:///etc/passwd", "http://", "http:///mcp", "http:a", "//a/b",
		"http://user@a/", "http://u:p@a/", "http://@a/", "http://a/#f", "http://a/#", "http://a:0/", "http://a:65536/", "http://a:/",
		"http://a b/", "http://a/\x00", "http://1.2.3.4.5/", "http://256.1.1.1/", "http://1.2.3.08/", "http://4294967296/",
		"http://0x1ffffffff/", "http://[::1/", "http://[1.2.3.4]/", "http://[::g]/", "http://１２７.0.0.1/", "http://127。0。0。1/",
		"http://ünï.example/", "http://a..b/", "http://.a/", "http://" + strings.Repeat("a", 64) + "/",
		"http://%31%32%37.0.0.1/", "http://a/" + strings.Repeat("b", MaxURLBytes),
	} {
		if err := CheckURL(raw, URLPolicy{AllowLoopback: true}); err == nil {
			t.Errorf("%q was accepted", raw)
		} else if raw != "" && len(raw) > 8 && strings.Contains(err.Error(), raw) {
			t.Errorf("%q: the error shows the URL: %v", raw, err)
		}
	}
}

func TestURLPolicyLists(t *testing.T) {
	p := URLPolicy{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("169.254.0.0/16")},
		Deny:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.2/32"), netip.MustParsePrefix("2001:db8::/32")},
	}
	for addr, allowed := range map[string]bool{
		"127.0.0.1": true, "127.0.0.2": false, "::1": false, "250.1.1.1": true, "10.1.1.1": false, "172.16.0.1": true,
		"::ffff:10.1.1.1": false, "64:ff9b::a01:101": false, "2001:db8::1": false, "169.254.1.1": false, "169.254.169.254": false,
	} {
		if err := p.CheckTarget(netip.AddrPortFrom(netip.MustParseAddr(addr), 80)); (err == nil) != allowed {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := p.CheckTarget(netip.AddrPort{}); err == nil {
		t.Error("no address was accepted")
	}
}

func TestControlJudgesWhatIsDialled(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, allow := range []bool{true, false} {
		dialer := net.Dialer{Control: URLPolicy{AllowLoopback: allow}.Control}
		conn, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if conn != nil {
			conn.Close()
		}
		if (err == nil) != allow {
			t.Errorf("loopback allowed %v: %v", allow, err)
		}
	}
	for network, address := range map[string]string{"unix": "/run/x.sock", "udp4": "10.0.0.1:1", "tcp4": "nonsense", "tcp6": "[fe80::1%eth0]:80"} {
		if err := (URLPolicy{}).Control(network, address, nil); !errors.Is(err, ErrAddressRefused) {
			t.Errorf("%s %s: %v", network, address, err)
		}
	}
}

// FuzzCheckURL asks the system's resolver nothing: a URL that passes and whose
// host is an address in Go's eyes must be one that the policy allows.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"http://a/", "http://127.1/", "https://[::1]:8/", "http://0x7f.0.0.1", "http://a@b/#c", "http://１.1.1.1/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckURL(raw, URLPolicy{}) != nil {
			return
		}
		request, err := http.NewRequest(http.MethodPost, raw, nil)
		if err != nil {
			t.Fatalf("%q passed, and no request can be made of it: %v", raw, err)
		}
		if addr, err := netip.ParseAddr(request.URL.Hostname()); err == nil && addr.Unmap().IsLoopback() {
			t.Fatalf("%q passed", raw)
		}
	})
}
