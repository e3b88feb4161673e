package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/keys"
)

// call is a good message of bob's session, changed.
func (w *world) call(adapter string, list ...change) answer {
	a := w.attempt()
	for _, c := range list {
		c.do(a)
	}
	return w.send(a.render(adapter))
}

// passes reports whether bob's session is served without the external processor.
func (w *world) passes(list ...change) bool {
	before := w.judged()
	return w.call(fast, list...).status == http.StatusOK && w.judged() == before
}

func (w *world) mustPass(what string, list ...change) {
	w.t.Helper()
	if !w.passes(list...) {
		w.t.Errorf("%s: the session is not served by Envoy alone", what)
	}
}

func (w *world) edit(name string, do func(*adapters.Adapter)) {
	w.t.Helper()
	a, err := w.store.Get(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	do(&a)
	a.Generation++
	if _, err := w.store.Update(w.t.Context(), a, a.Revision); err != nil {
		w.t.Fatal(err)
	}
	w.awaitTwins()
}

// cutOff: whatever ends somebody's right to a session ends it at the next
// request, and without a new listener, which would drain the old one.
func cutOff(t *testing.T, w *world) {
	listeners := w.stat("listener_manager.listener_create_success")
	w.mustPass("at the beginning")
	t.Run("when the token expires", w.inside(cutByExpiry))
	t.Run("when the policy changes", w.inside(cutByPolicy))
	t.Run("when the rules for tokens change", w.inside(cutByRules))
	t.Run("when the session's key is removed", w.inside(cutBySessionKey))
	t.Run("when the issuer's key is removed", w.inside(cutByIssuerKey))
	t.Run("when the external processor is away", w.inside(withoutProcessor))
	t.Run("when the adapter is made anew", w.inside(cutByDeletion))
	if now := w.stat("listener_manager.listener_create_success"); now != listeners {
		t.Errorf("%s listeners were made, and %s at the beginning", now, listeners)
	}
	if text := string(w.envoy.AdminGet("/stats?filter=(config_fail|update_rejected)$")); strings.Contains(strings.ReplaceAll(text, ": 0\n", ""), ": ") {
		t.Errorf("Envoy refused something: %s", text)
	}
}

func (w *world) stat(name string) string {
	_, value, _ := strings.Cut(strings.TrimSpace(string(w.envoy.AdminGet("/stats?filter=^"+name+"$"))), ": ")
	return value
}

// cutByExpiry uses each token before and after its end, so that it is in every
// cache.
func cutByExpiry(t *testing.T, w *world) {
	for what, dying := range map[string]func(at int64) change{
		"bearer": func(at int64) change {
			return change{"", func(a *attempt) { a.bearer["exp"], a.bearer["iat"] = at-60, at-3600 }}
		},
		"session": func(at int64) change {
			return change{"", func(a *attempt) { a.session["exp"] = at }}
		},
	} {
		a := w.attempt()
		dying(time.Now().Unix() + 3).do(a)
		r := a.render(fast)
		before := w.judged()
		if a := w.send(r); a.status != http.StatusOK || w.judged() != before {
			t.Errorf("%s: before its end: %v", what, a)
		}
		status := 0
		w.await("the end of the "+what, func() bool { status = w.send(r).status; return status != http.StatusOK })
		if want := map[string]int{"bearer": 401, "session": 404}[what]; status != want {
			t.Errorf("%s: after its end: status %d, want %d", what, status, want)
		}
	}
}

func cutByPolicy(t *testing.T, w *world) {
	w.edit(fast, func(a *adapters.Adapter) { a.RequiredRoles = []string{"other"} })
	if a := w.call(fast); a.status != http.StatusForbidden {
		t.Errorf("without the role: %v", a)
	}
	w.edit(fast, func(a *adapters.Adapter) { a.RequiredRoles = []string{"other", ownRole} })
	before := w.judged()
	if a := w.call(fast); a.status != http.StatusOK || w.judged() != before+1 {
		t.Errorf("under a policy that the session does not know: %v", a)
	}
	w.edit(fast, func(a *adapters.Adapter) { a.RequiredRoles = []string{ownRole} })
	w.mustPass("under its own policy again")
	w.edit(fast, func(a *adapters.Adapter) { a.Inspection = adapters.InspectionAlways })
	if w.passes() {
		t.Error("with inspection always, the session is served by Envoy alone")
	}
	w.edit(fast, func(a *adapters.Adapter) { a.Inspection = adapters.InspectionSession })
	w.mustPass("with inspection session again")
}

func cutByRules(t *testing.T, w *world) {
	file := w.socket("auth.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(string(text), "org: [ours]", "org: [theirs]", 1))
	w.await("tokens of ours are refused", func() bool { return w.call(fast).status == http.StatusUnauthorized })
	write(string(text))
	w.await("they are good again", func() bool { return w.passes() })
}

func cutBySessionKey(t *testing.T, w *world) {
	old := w.attempt().render(fast)
	files, err := filepath.Glob(filepath.Join(w.folder, "*.pem"))
	if err != nil || len(files) != 1 {
		t.Fatalf("session keys: %v, error %v", files, err)
	}
	if _, err := keys.Generate(w.folder); err != nil {
		t.Fatal(err)
	}
	w.await("the new key is known to Envoy", func() bool { return w.passes() })
	if a := w.send(old); a.status != http.StatusOK {
		t.Errorf("under the old key: %v", a)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	w.await("the old key is unknown", func() bool { return w.send(old).status == http.StatusNotFound })
	w.mustPass("under the new key")
}

func cutByIssuerKey(t *testing.T, w *world) {
	old := w.attempt().render(fast)
	if a := w.send(old); a.status != http.StatusOK {
		t.Errorf("before: %v", a)
	}
	by := func(key string) change {
		return change{"", func(a *attempt) {
			a.header["kid"] = key
			a.bearerText = func(p string) string { return a.w.issuer.signText(key, p, a.header) }
		}}
	}
	// A key that nobody knows makes both judges ask the issuer.
	known := func(key string) {
		newcomer := w.attempt()
		by(key).do(newcomer)
		r := newcomer.render(fast)
		if a := w.send(r); a.status != http.StatusOK {
			t.Errorf("under the key %s: %v", key, a)
		}
		if _, err := w.gate.Authenticate(t.Context(), http.Header{"Authorization": {r.headers[1]}}); err != nil {
			t.Errorf("the control plane, under the key %s: %v", key, err)
		}
		w.await("Envoy knows the key "+key, func() bool { return w.passes(by(key)) })
	}
	w.issuer.add("k3")
	w.issuer.remove("k1")
	known("k3")
	w.await("the old key is unknown", func() bool { return w.send(old).status == http.StatusUnauthorized })
	w.issuer.add("k1")
	w.issuer.add("k4")
	known("k4")
	w.await("Envoy knows another key of the same name", func() bool { return w.passes() })
	if a := w.send(old); a.status != http.StatusUnauthorized {
		t.Errorf("under the old key of that name: %v", a)
	}
}

// withoutProcessor: sessions that are born go on, and all else fails closed.
func withoutProcessor(t *testing.T, w *world) {
	w.endProcessor()
	if a := w.call(fast); a.status != http.StatusOK {
		t.Errorf("a session that is born: %v", a)
	}
	for what, c := range map[string]change{
		"a birth":        {"", func(a *attempt) { a.ids = func(string, string) []string { return nil }; a.body = beginning }},
		"a stream":       {"", func(a *attempt) { a.method, a.body = "GET", "" }},
		"no bearer":      {"", func(a *attempt) { a.authorization = func(string, string) []string { return nil } }},
		"another's":      {"", func(a *attempt) { a.owner = users()[0] }},
		"without a role": {"", func(a *attempt) { a.bearer["roles"] = nil }},
		"of a page":      {"", func(a *attempt) { a.extra = func(string, string) []string { return []string{"Origin", publicURL} } }},
	} {
		if a := w.call(fast, c); a.status != http.StatusServiceUnavailable || strings.Contains(a.body, "up-1") {
			t.Errorf("%s: %v", what, a)
		}
	}
	if a := w.call(inspect); a.status != http.StatusServiceUnavailable {
		t.Errorf("inspected: %v", a)
	}
	w.startProcessor()
	w.await("requests are judged again", func() bool { return w.call(inspect).status == http.StatusOK })
}

func cutByDeletion(t *testing.T, w *world) {
	a, err := w.store.Get(t.Context(), fast)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Delete(t.Context(), fast, ""); err != nil {
		t.Fatal(err)
	}
	w.await("the adapter is gone", func() bool { return strings.HasPrefix(w.call(fast).body, "api POST") })
	again := w.twin(fast)
	w.deployer.SetInstances(again.ID, w.deployer.Instances()[a.ID]...)
	if _, err := w.store.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	w.awaitTwins()
	if a := w.call(fast); a.status != http.StatusNotFound || !strings.Contains(a.body, "initialize again") {
		t.Errorf("a session of the adapter that was: %v", a)
	}
}
