package adapters_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestSecretNeverShows prints, logs and encodes a secret in all the ways that
// happen by accident.
func TestSecretNeverShows(t *testing.T) {
	const value = "s3cret-value"
	spec := valid()
	spec.SecretEnvironmentVariables = map[string]adapters.Secret{"TOKEN": value}
	a := adapters.Adapter{Spec: spec}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", spec.SecretEnvironmentVariables["TOKEN"], spec, &a)
	}
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("adapter", "adapter", a, "spec", spec, "secret", spec.SecretEnvironmentVariables["TOKEN"])
	slog.New(slog.NewJSONHandler(&out, nil)).Info("adapter", "adapter", a, "secrets", spec.SecretEnvironmentVariables)
	one, err := json.Marshal(a)
	two, err2 := jsonv2.Marshal(a)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	out.Write(one)
	out.Write(two)
	if text := out.String(); strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) || strings.Count(text, adapters.SecretMask) < 10 {
		t.Error(text)
	}
	if spec.ServerEnvironment()["TOKEN"] != value || spec.ServerEnvironment()["MCP_SECRET_VARIABLES"] != "TOKEN" {
		t.Error("the server does not get it")
	}
	other := spec
	other.SecretEnvironmentVariables = map[string]adapters.Secret{"TOKEN": "another-value"}
	if other.TemplateHash() == spec.TemplateHash() || other.Equal(spec) {
		t.Error("a new value starts no new process")
	}
}

// TestMaskKeepsTheSecret goes the way of GET, edit and PUT.
func TestMaskKeepsTheSecret(t *testing.T) {
	w := newWorld()
	spec := valid()
	spec.SecretEnvironmentVariables = map[string]adapters.Secret{"A": "first-value", "B": "second-value"}
	created, err := w.service.Create(t.Context(), spec, adapters.Principal{Subject: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	change := func(secrets map[string]adapters.Secret) (adapters.Adapter, error) {
		return w.service.Patch(t.Context(), created.Name, func(adapters.Adapter) error { return nil }, func(old adapters.Spec) (adapters.Spec, error) {
			next := old
			next.SecretEnvironmentVariables = secrets
			return next.KeepSecrets(old), nil
		})
	}
	same, err := change(map[string]adapters.Secret{"A": "***", "B": "***"})
	if err != nil || same.Revision != created.Revision {
		t.Errorf("masks alone made a change: %v, error %v", same.Revision, err)
	}
	changed, err := change(map[string]adapters.Secret{"A": "***", "B": "third-value"})
	if err != nil || changed.Secrets()["A"] != "first-value" || changed.Secrets()["B"] != "third-value" || changed.Generation != 2 {
		t.Errorf("generation %d, error %v", changed.Generation, err)
	}
	if changed, err = change(map[string]adapters.Secret{"A": "***"}); err != nil || len(changed.Secrets()) != 1 {
		t.Errorf("a secret that was left out is still there; error %v", err)
	}
	var invalid *adapters.ValidationError
	if _, err := change(map[string]adapters.Secret{"NEW": "***"}); !errors.As(err, &invalid) || invalid.Faults[0].Pointer != "/secretEnvironmentVariables/NEW" {
		t.Errorf("a mask for nothing: error %v", err)
	}
	spec.Name = "two"
	spec.SecretEnvironmentVariables = map[string]adapters.Secret{"A": "***"}
	if _, err := w.service.Create(t.Context(), spec, adapters.Principal{Subject: "ann"}); !errors.As(err, &invalid) {
		t.Errorf("a new adapter with a mask: error %v", err)
	}
}

// TestOnceTellsSecretsApart: the same key with another secret is another
// request, and what is kept of the first does not show it.
func TestOnceTellsSecretsApart(t *testing.T) {
	w := newWorld()
	ann := adapters.Principal{Subject: "ann"}
	spec := valid()
	spec.SecretEnvironmentVariables = map[string]adapters.Secret{"A": "first-value"}
	created, _, err := w.service.CreateOnce(t.Context(), spec, ann, "key")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(created.Origin, "first-value") {
		t.Error("the secret is kept")
	}
	if _, again, err := w.service.CreateOnce(t.Context(), spec, ann, "key"); err != nil || !again {
		t.Errorf("again %t, error %v", again, err)
	}
	spec.SecretEnvironmentVariables = map[string]adapters.Secret{"A": "second-value"}
	if _, _, err := w.service.CreateOnce(t.Context(), spec, ann, "key"); !errors.Is(err, adapters.ErrKeyReused) {
		t.Errorf("error %v", err)
	}
}
