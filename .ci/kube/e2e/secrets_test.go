package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// secrets reach the server and nobody else, and go when they are taken away.
func secrets(t *testing.T) {
	m := gateway(t)
	m.API(http.StatusCreated, http.MethodPost, "/adapters", `{"name":"secretive","imageName":"mcp-proxy","imageVersion":"1.0.0",
		"environmentVariables":{"MCP_COMMAND":"testserver"},"secretEnvironmentVariables":{"HARBOUR_TOKEN":"open-sesame"}}`)
	t.Cleanup(func() { remove(t, m, "secretive") })
	m.AwaitReady("secretive", 1, startTimeout)
	sees := func(variable string) bool {
		return strings.Contains(m.Initialize("secretive").MustCall("environment"), variable)
	}
	if !sees("HARBOUR_TOKEN") {
		t.Error("the server does not have its secret")
	}
	for name, text := range map[string]string{
		"the API": m.API(http.StatusOK, http.MethodGet, "/adapters/secretive", "").Body,
		"kubectl": kubectl(t, "", "get", "mcpa,statefulsets,pods", "--namespace", adapters, "--output", "yaml"),
	} {
		if strings.Contains(text, "open-sesame") {
			t.Errorf("%s shows the secret", name)
		}
	}
	m.API(http.StatusOK, http.MethodPatch, "/adapters/secretive", `{"secretEnvironmentVariables":{"HARBOUR_TOKEN":null,"ANCHOR_TOKEN":"close-sesame"}}`)
	m.Await("the server has the other secret", startTimeout, func() bool {
		return m.TryInitialize("secretive").Status == http.StatusOK && sees("ANCHOR_TOKEN") && !sees("HARBOUR_TOKEN")
	})
	m.API(http.StatusNoContent, http.MethodDelete, "/adapters/secretive", "")
	leavesNothing(t, "secretive")
}

// formerLife: what an adapter of the same name left does not stand in the way of
// the next one, and is not taken for its.
func formerLife(t *testing.T) {
	m := gateway(t)
	deploy(t, m, testServer("again", 2))
	before := m.Initialize("again")
	uid := kubectl(t, "", "get", "statefulset", "mcp-again", "--namespace", adapters, "--output", "jsonpath={.metadata.uid}")
	kubectl(t, "", "delete", "mcpa", "again", "--namespace", adapters, "--cascade=orphan")
	m.Await("the API knows of the end", 20*time.Second, func() bool {
		answer, err := m.Do(http.MethodGet, "/adapters/again", "")
		return err == nil && answer.Status == http.StatusNotFound
	})
	m.Create(testServer("again", 2))
	m.AwaitReady("again", 2, 2*time.Minute)
	if now := kubectl(t, "", "get", "statefulset", "mcp-again", "--namespace", adapters, "--output", "jsonpath={.metadata.uid}"); now == uid {
		t.Error("the StatefulSet is the former one")
	}
	m.Initialize("again").MustCall("who")
	if answer := before.Post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`); answer.Status != http.StatusNotFound {
		t.Errorf("a session of the former adapter: status %d", answer.Status)
	}
}

// apiKeys are made and revoked at any control plane, and count at every Envoy.
func apiKeys(t *testing.T) {
	m := gateway(t)
	spec := testServer("keyed", 1)
	spec.RequiredRoles = []string{"reader"}
	deploy(t, m, spec)
	var made struct{ ID, Key string }
	decode(t, m.API(http.StatusCreated, http.MethodPost, "/apikeys", `{"name":"sailor","roles":["reader"]}`).Body, &made)
	through := transport()
	through.DisableKeepAlives = true // each request goes to either Envoy
	sailor := harness.Attach(t, front, through).As("Authorization", "Bearer "+made.Key)
	answers := func(status int) func() bool {
		return func() bool {
			for range 8 {
				answer, err := sailor.Do(http.MethodGet, "/adapters/keyed", "")
				if err != nil || answer.Status != status || sailor.TryInitialize("keyed").Status != status {
					return false
				}
			}
			return true
		}
	}
	m.Await("the key is accepted", 90*time.Second, answers(http.StatusOK))
	sessions := begin(throughEach(t, "Authorization", "Bearer "+made.Key), "keyed")
	revoked(t, "the key's role is not enough any more", http.StatusForbidden, sessions, func() {
		m.API(http.StatusOK, http.MethodPatch, "/adapters/keyed", `{"requiredRoles":["captain"]}`)
	})
	m.API(http.StatusOK, http.MethodPatch, "/adapters/keyed", `{"requiredRoles":["reader"]}`)
	m.Await("the key is accepted again", startTimeout, func() bool {
		return !slices.ContainsFunc(sessions, func(s harness.Raw) bool { return s.Post(ping).Status != http.StatusOK })
	})
	revoked(t, "the key is deleted", http.StatusUnauthorized, sessions, func() {
		m.API(http.StatusNoContent, http.MethodDelete, "/apikeys/"+made.ID, "")
	})
	m.Await("the key is refused", 90*time.Second, answers(http.StatusUnauthorized))
}
