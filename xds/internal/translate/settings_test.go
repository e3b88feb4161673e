package translate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnsweredHosts(t *testing.T) {
	loopback := func(port string) []string {
		return []string{"127.0.0.1" + port, "[::1]" + port, "localhost" + port}
	}
	for _, tt := range []struct {
		listen, public string
		want           []string
	}{
		{"127.0.0.1:8080", "", loopback(":8080")},
		{"localhost:8080", "", loopback(":8080")},
		{"[::1]:8080", "", loopback(":8080")},
		{"127.0.0.1:80", "", []string{"127.0.0.1", "[::1]", "localhost"}},
		{"127.0.0.2:8080", "https://Mcp.Example.com:443/", []string{"127.0.0.1:8080", "127.0.0.2:8080", "[::1]:8080", "localhost:8080", "mcp.example.com"}},
		{":8080", "https://mcp.example.com:8443", append(loopback(":8080"), "mcp.example.com:8443")},
		{"192.0.2.7:8080", "http://mcp.example.com", []string{"192.0.2.7:8080", "mcp.example.com"}},
	} {
		r, err := Settings{Listen: tt.listen, OpsListen: "127.0.0.1:9090", PublicURL: tt.public}.resolve()
		if err != nil {
			t.Fatalf("%s: %v", tt.listen, err)
		}
		if diff := cmp.Diff(tt.want, r.hosts); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", tt.listen, tt.public, diff)
		}
	}
}

func TestEveryFaultOfSettingsIsNamed(t *testing.T) {
	for _, public := range []string{"http://a:99999", "https://a:0"} {
		if _, err := New(Settings{Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:9090", PublicURL: public}); err == nil || !strings.Contains(err.Error(), "port") {
			t.Errorf("%s: error %v", public, err)
		}
	}
	_, err := New(Settings{Listen: "example.com:8080", OpsListen: "127.0.0.1:x", PublicURL: "ftp://x"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"listen address", "operations address", "public URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name the %s", err, want)
		}
	}
}
