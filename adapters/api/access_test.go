package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/api"
)

// TestAccess goes through who may do what with an adapter of alice's that
// readers may use.
func TestAccess(t *testing.T) {
	type row struct{ user, roles string }
	alice, reader, admin, mallory, nobody := row{"alice", ""}, row{"bob", "reader"}, row{"root", "mcp.admin"}, row{"mallory", "Reader mcp.admins"}, row{}
	for _, test := range []struct {
		who  row
		want map[string]int
	}{
		{alice, map[string]int{"GET one": 200, "GET none": 404, "PUT one": 200, "PUT none": 404, "PATCH one": 200, "GET one/status": 200, "GET one/logs": 404, "POST one/mcp": 503, "POST none/mcp": 404, "DELETE one": 204}},
		{reader, map[string]int{"GET one": 200, "GET none": 404, "PUT one": 403, "PUT none": 404, "PATCH one": 403, "GET one/status": 200, "GET one/logs": 404, "POST one/mcp": 503, "POST none/mcp": 404, "DELETE one": 403, "DELETE none": 404}},
		{admin, map[string]int{"GET one": 200, "GET none": 404, "PUT one": 200, "PATCH one": 200, "GET one/status": 200, "POST one/mcp": 503, "DELETE one": 204}},
		{mallory, map[string]int{"GET one": 403, "GET none": 404, "PUT one": 403, "PATCH one": 403, "GET one/status": 403, "GET one/logs": 403, "POST one/mcp": 403, "POST none/mcp": 404, "DELETE one": 403, "PUT Bad_Name": 404, "GET a%2Fb": 404, "GET none/logs": 404, "GET none/status": 404}},
		{nobody, map[string]int{"GET one": 401, "GET none": 401, "PUT one": 401, "PUT none": 401, "PATCH none": 401, "GET none/status": 401, "GET none/logs": 401, "POST one/mcp": 401, "POST none/mcp": 401, "DELETE none": 401, "BREW one": 401, "GET Bad_Name": 401}},
	} {
		for request, status := range test.want {
			f := newFixture(t)
			f.must(t, 201, "alice", "POST", "/adapters", minimal("one", `,"requiredRoles":["reader"]`))
			method, path, _ := strings.Cut(request, " ")
			body := map[string]string{
				"PUT": minimal("one", `,"requiredRoles":["reader"]`), "PATCH": `{}`, "POST": `{"jsonrpc":"2.0","id":1,"method":"ping"}`,
			}[method]
			if got := f.do(t, test.who.user, method, "/adapters/"+path, body, "Roles", test.who.roles); got.status != status {
				t.Errorf("%s as %s: status %d, want %d: %s", request, test.who.user, got.status, status, got.body)
			} else if status == 401 && got.header.Get("WWW-Authenticate") != `Bearer realm="test"` {
				t.Errorf("%s: 401 without challenge", request)
			}
		}
	}
}

func TestListShowsWhatMayBeRead(t *testing.T) {
	f := newFixture(t)
	f.must(t, 201, "alice", "POST", "/adapters", minimal("private", ""))
	f.must(t, 201, "alice", "POST", "/adapters", minimal("shared", `,"requiredRoles":["reader"]`))
	f.must(t, 201, "bob", "POST", "/adapters", minimal("bobs", ""))
	for who, want := range map[string]string{
		"alice":          "private shared",
		"bob":            "bobs",
		"carol reader":   "shared",
		"root mcp.admin": "bobs private shared",
		"mallory":        "",
	} {
		user, roles, _ := strings.Cut(who, " ")
		got := f.must(t, 200, user, "GET", "/adapters", "", "Roles", roles)
		var names []string
		for _, part := range strings.Split(got.body, `"name":"`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			names = append(names, name)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s sees %v, want %s", who, names, want)
		}
	}
}

func TestAuthenticatorsThatFail(t *testing.T) {
	f := newFixture(t)
	for _, user := range []string{"unknown", "nobody"} {
		got := f.must(t, 503, user, "GET", "/adapters", "")
		if strings.Contains(got.body, "10.0.0.1") || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %v %s", user, got.header, got.body)
		}
	}
	if !strings.Contains(f.logged(), "10.0.0.1") {
		t.Error("the log does not say why")
	}
}

func TestHostAndOrigin(t *testing.T) {
	hosts, origins, err := api.AllowedFrom("https://gateway.example", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(cfg *api.Config) { cfg.AllowedHosts, cfg.AllowedOrigins = hosts, origins })
	for _, test := range []struct {
		status                int
		host, origin, fetched string
	}{
		{200, "gateway.example", "", ""},
		{200, "Gateway.Example:443", "", "none"},
		{200, "localhost:8080", "http://localhost:8080", "same-origin"},
		{200, "127.0.0.1:8080", "", "same-origin"},
		{200, "[::1]:8080", "https://gateway.example", "cross-site"},
		{421, "gateway.example:8080", "", ""},
		{421, "localhost", "", ""},
		{421, "localhost:8081", "", ""},
		{421, "evil.example", "", ""},
		{421, "evil.example", "http://evil.example", ""},
		{421, "gateway.example.evil.example", "", ""},
		{421, "gateway.example.", "", ""},
		{403, "localhost:8080", "http://evil.example", ""},
		{403, "localhost:8080", "http://localhost:3000", ""},
		{403, "localhost:8080", "https://localhost:8080", ""},
		{403, "localhost:8080", "null", ""},
		{403, "localhost:8080", "", "cross-site"},
		{403, "localhost:8080", "", "same-site"},
	} {
		for _, path := range []string{"/adapters", "/openapi.json"} {
			got := f.do(t, "alice", "GET", path, "", "Host", test.host, "Origin", test.origin, "Sec-Fetch-Site", test.fetched)
			if got.status != test.status {
				t.Errorf("%s: host %q, origin %q, site %q: status %d, want %d", path, test.host, test.origin, test.fetched, got.status, test.status)
			}
		}
	}
	f.must(t, 200, "", "GET", "/healthz", "", "Host", "anything")
}

func TestAllowedFrom(t *testing.T) {
	for _, test := range []struct{ public, listen, hosts string }{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080 [::1]:8080 localhost:8080"},
		{"http://localhost:8080", "localhost:8080", "127.0.0.1:8080 [::1]:8080 localhost:8080"},
		{"https://gw.example/", "10.1.2.3:8080", "10.1.2.3:8080 gw.example gw.example:443"},
		{"https://gw.example/", "0.0.0.0:8080", "127.0.0.1:8080 [::1]:8080 gw.example gw.example:443 localhost:8080"},
		{"http://gw.example", ":80", "127.0.0.1 127.0.0.1:80 [::1] [::1]:80 gw.example gw.example:80 localhost localhost:80"},
	} {
		hosts, origins, err := api.AllowedFrom(test.public, test.listen)
		if err != nil || len(origins) != len(hosts) {
			t.Errorf("%s, %s: %v, %v, %v", test.public, test.listen, hosts, origins, err)
		}
		slices.Sort(hosts)
		if got := strings.Join(slices.Compact(hosts), " "); got != test.hosts {
			t.Errorf("%s, %s: %s, want %s", test.public, test.listen, got, test.hosts)
		}
	}
	for _, bad := range [][2]string{{"gw.example", "127.0.0.1:1"}, {"ftp://gw", "127.0.0.1:1"}, {"http://", "127.0.0.1:1"}, {"http://gw", "127.0.0.1"}} {
		if _, _, err := api.AllowedFrom(bad[0], bad[1]); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestPathsThatAreNotThere(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/", "/adapters/", "//adapters", "/adapters/../adapters", "/adapters/one/", "/adapters/one/x", "/Adapters", "/adapters/one/mcp/../../two", "/apikeys"} {
		if got := f.do(t, "alice", "GET", path, ""); got.status != 404 {
			t.Errorf("%s: status %d %s", path, got.status, got.header.Get("Location"))
		}
	}
}
