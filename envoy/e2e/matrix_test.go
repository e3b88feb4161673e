package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

const initializeMessage = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"matrix","version":"1"}}}`

// right is what somebody may do with an adapter.
type right int

const (
	none right = iota
	read
	write
)

// somebody is a principal of the matrix, and what it may do.
type somebody struct {
	name       string
	credential string
	// known says that the credential proves a principal at all, at the API and
	// at adapters.
	knownToAPI, knownToAdapters bool
	// shared may be used by readers, private by its creator, ann.
	shared, private right
	admin           bool
}

// operation is a request of the matrix. What it answers who may do it is
// allowed, whatever the adapter.
type operation struct {
	name, method, path, body string
	headers                  []string
	needs                    right
	mcp                      bool
	allowed                  int
	// session is whose session it is in: that of who asks, or of the creator.
	// Who has none of their own uses the creator's.
	session whose
}

// whose a session is.
type whose int

const (
	nobodys whose = iota
	ones
	creators
)

func matrixOf(i *issuer, m *harness.Mooring, keys map[string]string) []somebody {
	reader := []string{"reader"}
	return []somebody{
		{name: "nobody"},
		{name: "a forger", credential: newIssuer(i.t).token("root", []string{"mcp.admin"}, nil)},
		{name: "the creator", credential: i.token("ann", nil, nil), knownToAPI: true, knownToAdapters: true, shared: write, private: write},
		{name: "a reader", credential: i.token("bob", reader, nil), knownToAPI: true, knownToAdapters: true, shared: read},
		{name: "one of another role", credential: i.token("carol", []string{"readers", "Reader", "reader ", "mcp.admins"}, nil), knownToAPI: true, knownToAdapters: true},
		{name: "one of no role", credential: i.token("dave", nil, nil), knownToAPI: true, knownToAdapters: true},
		{name: "one who is called like the creator", credential: i.token(i.url+"|ann", nil, map[string]any{"name": "ann"}), knownToAPI: true, knownToAdapters: true},
		{name: "an administrator", credential: i.token("root", []string{"mcp.admin"}, nil), knownToAPI: true, knownToAdapters: true, shared: write, private: write, admin: true},
		{name: "a key of a reader", credential: keys["reader"], knownToAPI: true, knownToAdapters: true, shared: read},
		{name: "a key without roles", credential: keys[""], knownToAPI: true, knownToAdapters: true},
		{name: "an administrator's key", credential: keys["mcp.admin"], knownToAPI: true, knownToAdapters: true, shared: write, private: write, admin: true},
		{
			name: "a reader's token for shared alone", credential: i.token("bob", reader, map[string]any{"aud": m.URL("/adapters/shared/mcp")}),
			knownToAdapters: true, shared: read,
		},
	}
}

func operations() []operation {
	message := func(method string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{}}`, method)
	}
	return []operation{
		{name: "read", method: "GET", needs: read, allowed: 200},
		{name: "replace", method: "PUT", body: "spec", needs: write, allowed: 200},
		{name: "patch", method: "PATCH", body: `{}`, needs: write, allowed: 200},
		// Under a condition that does not hold, so that the matrix lives on.
		{name: "delete", method: "DELETE", headers: []string{"If-Match", `"0"`}, needs: write, allowed: 412},
		{name: "status", method: "GET", path: "/status", needs: read, allowed: 200},
		{name: "logs", method: "GET", path: "/logs", needs: read, allowed: 200},
		{name: "initialize", method: "POST", path: "/mcp", body: initializeMessage, needs: read, mcp: true, allowed: 200},
		{name: "a message without session", method: "POST", path: "/mcp", body: message("tools/list"), needs: read, mcp: true, allowed: 400},
		{name: "a stream without session", method: "GET", path: "/mcp", needs: read, mcp: true, allowed: 400},
		{name: "a message in a session", method: "POST", path: "/mcp", body: message("tools/list"), session: ones, needs: read, mcp: true, allowed: 200},
		{name: "a message in the creator's session", method: "POST", path: "/mcp", body: message("tools/list"), session: creators, needs: read, mcp: true, allowed: 404},
		{name: "ending no session", method: "DELETE", path: "/mcp", needs: read, mcp: true, allowed: 400},
	}
}

// want is what p is answered to o at the adapter, as the design has it: 401
// first, then 404 for what does not exist, then 403.
func (p somebody) want(o operation, adapter string) int {
	name, _, _ := strings.Cut(adapter, "-")
	rights := map[string]right{"shared": p.shared, "private": p.private}
	known := p.knownToAPI
	if o.mcp {
		known = p.knownToAdapters && (p.name != "a reader's token for shared alone" || adapter == "shared")
	}
	switch {
	case !known:
		return http.StatusUnauthorized
	case adapter == "missing":
		return http.StatusNotFound
	case rights[name] < o.needs:
		return http.StatusForbidden
	case o.session == creators && p.name == "the creator":
		return http.StatusOK
	}
	return o.allowed
}

// TestPermissionMatrix asks for everything as everybody, at the API and on both
// ways of the data path: of adapters whose messages are all inspected, and of
// those whose sessions Envoy serves by itself.
func TestPermissionMatrix(t *testing.T) {
	i := newIssuer(t)
	m := i.startWithIdentity(t)
	spec := func(name string) string {
		s := m.TestServer(name, 1)
		if strings.HasPrefix(name, "shared") {
			s.RequiredRoles = []string{"reader"}
		}
		if strings.HasSuffix(name, "-session") {
			s.Inspection = adapters.InspectionSession
		}
		return harness.JSON(m, s)
	}
	creator := m.As(bearer(i.token("ann", nil, nil))...)
	admin := i.admin(m)
	all := []string{"shared", "private", "shared-session", "private-session"}
	sessions := map[string]string{}
	for _, name := range all {
		creator.API(http.StatusCreated, http.MethodPost, "/adapters", spec(name))
	}
	for _, name := range all {
		creator.AwaitReady(name, 1, 30*time.Second)
		sessions[name] = creator.Initialize(name).ID
	}
	keys := map[string]string{}
	for _, role := range []string{"", "reader", "mcp.admin"} {
		keys[role] = makeKey(m, admin, role)
	}
	for _, p := range matrixOf(i, m, keys) {
		as := m
		if p.credential != "" {
			as = m.As(bearer(p.credential)...)
		}
		for _, adapter := range append(all, "missing") {
			p.checkOperations(t, as, adapter, spec(adapter), sessions[adapter])
		}
		p.checkList(t, as)
		p.checkPrivileges(t, as)
	}
}

// checkOperations: everything that can be asked of the adapter is answered as it
// should be. The session is the creator's.
func (p somebody) checkOperations(t *testing.T, as *harness.Mooring, adapter, spec, session string) {
	t.Helper()
	own := session
	for _, o := range operations() {
		headers := append([]string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}, o.headers...)
		if o.session != nobodys {
			headers = append(headers, "Mcp-Session-Id", map[whose]string{ones: own, creators: session}[o.session])
		}
		body := o.body
		if body == "spec" {
			body = spec
		}
		answer, err := as.Do(o.method, "/adapters/"+adapter+o.path, body, headers...)
		if want := p.want(o, adapter); err != nil || answer.Status != want {
			t.Errorf("%s, %s %s: status %d, want %d, error %v: %s", p.name, o.name, adapter, answer.Status, want, err, answer.Body)
		}
		if id := answer.Header.Get("Mcp-Session-Id"); id != "" {
			own = id
		}
	}
}

// makeKey makes an API key with the role, or with none for an empty one.
func makeKey(m, admin *harness.Mooring, role string) string {
	roles := []string{}
	if role != "" {
		roles = append(roles, role)
	}
	made := admin.API(http.StatusCreated, http.MethodPost, "/apikeys", harness.JSON(m, map[string]any{"name": "matrix", "roles": roles}))
	_, rest, _ := strings.Cut(made.Body, `"key":"`)
	key, _, _ := strings.Cut(rest, `"`)
	return key
}

// checkList: everybody sees what they may read, and nothing else.
func (p somebody) checkList(t *testing.T, as *harness.Mooring) {
	t.Helper()
	answer, err := as.Do(http.MethodGet, "/adapters", "")
	if err != nil || (answer.Status == http.StatusOK) != p.knownToAPI {
		t.Errorf("%s lists: status %d, error %v", p.name, answer.Status, err)
		return
	}
	for adapter, has := range map[string]right{"shared": p.shared, "private": p.private} {
		if sees := strings.Contains(answer.Body, `"name":"`+adapter+`"`); sees != (has >= read && p.knownToAPI) {
			t.Errorf("%s sees %s in the list: %v", p.name, adapter, sees)
		}
	}
}

// checkPrivileges: what takes a role is refused to all others, whether they ask
// at POST or at PUT; nothing is made by that.
func (p somebody) checkPrivileges(t *testing.T, as *harness.Mooring) {
	t.Helper()
	for what, change := range map[string]func(*adapters.Spec){
		"a cloud identity":  func(s *adapters.Spec) { s.UseWorkloadIdentity = true },
		"a loader variable": func(s *adapters.Spec) { s.EnvironmentVariables["LD_PRELOAD"] = "/x.so" },
		"a raw command":     func(s *adapters.Spec) { s.EnvironmentVariables["MCP_COMMAND"] = "/bin/sh" },
		"an image":          func(s *adapters.Spec) { s.ImageName = "registry.example/server" },
	} {
		want := http.StatusForbidden
		switch {
		case !p.knownToAPI:
			want = http.StatusUnauthorized
		case p.admin:
			continue
		}
		requests := map[string]string{"own": "POST /adapters"}
		if p.shared == write {
			requests["shared"] = "PUT /adapters/shared"
		}
		for name, request := range requests {
			spec := as.TestServer(name, 1)
			change(&spec)
			method, path, _ := strings.Cut(request, " ")
			answer, err := as.Do(method, path, harness.JSON(as, spec), "Content-Type", "application/json")
			if err != nil || answer.Status != want {
				t.Errorf("%s, %s with %s: status %d, want %d, error %v: %s", p.name, request, what, answer.Status, want, err, answer.Body)
			}
		}
	}
	keys, err := as.Do(http.MethodGet, "/apikeys", "")
	want := http.StatusForbidden
	switch {
	case !p.knownToAPI:
		want = http.StatusUnauthorized
	case p.admin:
		want = http.StatusOK
	}
	if err != nil || keys.Status != want {
		t.Errorf("%s lists API keys: status %d, want %d, error %v", p.name, keys.Status, want, err)
	}
}
