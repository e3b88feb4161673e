package launch_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/launch"
)

func TestEgressNarrowsAndWidens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	for text, want := range map[string]map[string]bool{
		"": {"10.0.0.1": true, "127.0.0.1": true, "240.0.0.1": false, "169.254.169.254": false, "93.184.216.34": true},
		"commands: [x]\negress: {only: [10.1.0.0/16, 'fd00:1::/32']}": {
			"10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": false, "fd00:1::5": true, "fd00:2::5": false,
			"::ffff:10.1.2.3": true, "64:ff9b::a02:1": false, "93.184.216.34": false,
		},
		"egress: {deny: [10.0.0.0/8]}":                                     {"10.0.0.1": false, "::ffff:10.0.0.1": false, "192.168.0.1": true},
		"egress: {allow: [240.0.0.0/4]}":                                   {"240.0.0.1": true, "169.254.169.254": false},
		"egress: {loopback: false}":                                        {"127.0.0.1": false, "::1": false, "10.0.0.1": true},
		"egress: {loopback: true}":                                         {"127.0.0.1": true},
		"egress: {only: [169.254.0.0/16, 10.0.0.0/8], deny: [10.0.0.0/9]}": {"169.254.169.254": false, "10.0.0.1": false, "10.200.0.1": true},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		egress, err := launch.ReadEgress(path)
		if err != nil {
			t.Fatal(err)
		}
		policy := launch.URLPolicy{AllowLoopback: true}.With(egress)
		for addr, allowed := range want {
			err := policy.CheckTarget(netip.AddrPortFrom(netip.MustParseAddr(addr), 443))
			if (err == nil) != allowed || err != nil && !errors.Is(err, launch.ErrAddressRefused) {
				t.Errorf("%q: %s: %v, want it allowed: %v", text, addr, err, allowed)
			}
		}
	}
}

func TestReadEgressRefusesWhatItCannotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if _, err := launch.ReadEgress(path); err == nil {
		t.Error("a file that is not there was read")
	}
	for _, text := range []string{"egress: {only: [10.0.0.0]}", "egress: {deny: [x]}", "egress: [", "egress: {loopback: 7}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := launch.ReadEgress(path); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
