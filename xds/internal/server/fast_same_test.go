package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const message = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

// attempt is a request to one of the twins, before it is known to which: a good
// one, as it begins.
type attempt struct {
	w *world

	method, query, path string
	body                string
	chunked             bool
	// who holds the bearer token, and owns the session.
	who, owner user
	// bearer are changes of the claims, and header the header's members.
	bearer, header map[string]any
	// bearerText makes the token of them, in place of an honest signature.
	bearerText func(payload string) string
	// session are changes of the session's claims: a value, or how it is made of the
	// honest one.
	session map[string]any
	// edit changes what is sent as the session's id.
	edit func(id string) string
	// authorization and ids are the values sent, made of both tokens.
	authorization, ids func(bearer, session string) []string
	// extra are further headers, and contentType the values of that one.
	extra       func(bearer, session string) []string
	contentType []string
}

func (w *world) attempt() *attempt {
	return &attempt{
		w: w, method: "POST", body: message, who: users()[1], owner: users()[1],
		bearer: map[string]any{}, header: map[string]any{"alg": "ES256", "kid": "k1", "typ": "at+jwt"}, session: map[string]any{},
		bearerText:    nil,
		edit:          func(id string) string { return id },
		authorization: func(bearer, _ string) []string { return []string{"Bearer " + bearer} },
		ids:           func(_, session string) []string { return []string{session} },
		extra:         func(string, string) []string { return nil },
		contentType:   []string{"application/json"},
	}
}

// render is a as it is sent to the adapter.
func (a *attempt) render(adapter string) request {
	claims := a.who.claims()
	maps.Copy(claims, a.bearer)
	payload, err := json.Marshal(a.w.issuer.claims(claims))
	if err != nil {
		a.w.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(payload), "ADAPTER", adapter)
	var bearer string
	if a.bearerText != nil {
		bearer = a.bearerText(text)
	} else {
		bearer = a.w.issuer.signText("k1", text, a.header)
	}
	born := maps.Clone(a.w.births[adapter+" "+a.owner.name])
	for name, value := range a.session {
		if of, ok := value.(func(string) string); ok {
			value = of(born[name].(string))
		}
		born[name] = resolved(value)
	}
	maps.DeleteFunc(born, func(_ string, value any) bool { return value == nil })
	session := a.edit(a.w.mint(born))
	r := request{method: a.method, path: "/adapters/" + adapter + "/mcp" + a.path, body: a.body, chunked: a.chunked}
	if a.query != "" {
		r.path += "?" + strings.NewReplacer("BEARER", bearer, "SESSION", session).Replace(a.query)
	}
	add := func(name string, values []string) {
		for _, value := range values {
			r.headers = append(r.headers, name, value)
		}
	}
	add("Authorization", a.authorization(bearer, session))
	add("Mcp-Session-Id", a.ids(bearer, session))
	add("Content-Type", a.contentType)
	r.headers = append(r.headers, a.extra(bearer, session)...)
	return r
}

// same sends what the changes make of a good request to both twins, and compares
// what the client gets and what the server saw. It returns the status and how
// many of the two were judged by the external processor.
func (w *world) same(t *testing.T, list ...change) (status, judged int) {
	t.Helper()
	var names []string
	var answers [2]answer
	before := w.judged()
	for i, adapter := range []string{inspect, fast} {
		a := w.attempt()
		names = nil
		for _, c := range list {
			c.do(a)
			names = append(names, c.name)
		}
		answers[i] = comparable(w.send(a.render(adapter)), adapter)
	}
	if diff := cmp.Diff(answers[0], answers[1], cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("%s (-always +session):\n%s", strings.Join(names, ", "), diff)
	}
	return answers[0].status, w.judged() - before
}

// comparable is a without what differs between any two requests, or adapters.
func comparable(a answer, adapter string) answer {
	out := answer{status: a.status, header: http.Header{}, body: strings.ReplaceAll(a.body, "/adapters/"+adapter+"/", "/adapters/NAME/")}
	for name, values := range a.header {
		if name == "Date" || name == "X-Request-Id" || name == "Content-Length" {
			continue
		}
		out.header[name] = slices.Clone(values)
		for i := range values {
			out.header[name][i] = strings.ReplaceAll(values[i], "/adapters/"+adapter+"/", "/adapters/NAME/")
		}
	}
	var seen struct {
		Method, URL, Body string
		Header            http.Header
	}
	if json.Unmarshal([]byte(out.body), &seen) == nil && seen.Method != "" {
		// Of the external processor's, Envoy does not know the length.
		delete(seen.Header, "Content-Length")
		out.body = fmt.Sprintf("%s %s %v %.100s %d", seen.Method, seen.URL, seen.Header, seen.Body, len(seen.Body))
	}
	out.body = tokenForm.ReplaceAllString(out.body, "TOKEN")
	if a.header.Get("Mcp-Session-Id") != "" {
		out.header["Mcp-Session-Id"] = []string{"a session"}
	}
	return out
}

var tokenForm = regexp.MustCompile(`eyJ[A-Za-z0-9._=-]*`)

// combinations is how many requests of several changes are compared.
const combinations = 600

// sameVerdicts: an adapter with inspection session gives each client the answer
// that its twin with inspection always gives, and shows its server the same, for
// good requests, for each that is bad or strange in one way, and for many that
// are so in several. What passes without the external processor is good.
func sameVerdicts(t *testing.T, w *world) {
	for _, u := range users() {
		own := change{u.name, func(a *attempt) { a.who, a.owner = u, u }}
		if status, judged := w.same(t, own); status != http.StatusOK || judged != 1 {
			t.Errorf("a good request of %s: status %d, %d judged", u.name, status, judged)
		}
	}
	var singles, good []change
	passed := func(status, judged int) bool { return judged == 1 && status == http.StatusOK }
	kinds := changes()
	for _, kind := range kinds {
		for _, c := range kind {
			singles = append(singles, c)
			if passed(w.same(t, c)) {
				good = append(good, c)
			}
		}
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	combined := 0
	for range combinations {
		// One that is harmless alone, and any one or two others.
		list := []change{good[random.IntN(len(good))]}
		for range 1 + random.IntN(2) {
			list = append(list, singles[random.IntN(len(singles))])
		}
		if passed(w.same(t, list...)) {
			combined++
		}
	}
	t.Logf("%d of %d single changes and %d of %d combinations passed without the external processor; seed %d",
		len(good), len(singles), combined, combinations, seed)
	if len(good) < 10 || combined < 10 {
		t.Error("too few requests passed without the external processor for this to mean anything")
	}
}
