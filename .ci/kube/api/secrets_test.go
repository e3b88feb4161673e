package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// must is value where err is nil, and otherwise the end of the test.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// fetch reads an object from the API server.
func fetch[T client.Object](t *testing.T, namespace, name string, into T) T {
	t.Helper()
	if err := server.admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into); err != nil {
		t.Fatal(err)
	}
	return into
}

func secretive(name string, values map[string]adapters.Secret) adapters.Adapter {
	a := adapterstest.Example(name)
	a.SecretEnvironmentVariables = values
	return a
}

// TestSecretsThatCameThroughTheAPI are in a Secret that ends with the adapter. A
// value that changes changes the adapter's object with it.
func TestSecretsThatCameThroughTheAPI(t *testing.T) {
	namespace := newNamespace(t)
	store := connect(t, namespace).Store()
	created := must(store.Create(t.Context(), secretive("one", map[string]adapters.Secret{"TOKEN": "hunter22", "KEY": "first-key"})))(t)
	if got := must(store.List(t.Context()))(t); len(got) != 1 || got[0].SecretEnvironmentVariables["TOKEN"] != "hunter22" {
		t.Errorf("listed right after it was created: %v", got)
	}
	before := fetch(t, namespace, "one", &v1alpha1.MCPAdapter{})
	if text := must(json.Marshal(before))(t); strings.Contains(string(text), "hunter22") || strings.Contains(string(text), "first-key") {
		t.Errorf("the object shows a secret: %s", text)
	}
	secret := fetch(t, namespace, "mcp-one-env", &corev1.Secret{})
	if !metav1.IsControlledBy(secret, before) || len(secret.Data) != 2 {
		t.Errorf("owners %v, %d values", secret.OwnerReferences, len(secret.Data))
	}

	next := created
	next.SecretEnvironmentVariables = map[string]adapters.Secret{"TOKEN": "hunter33", "KEY": "first-key"}
	updated := must(store.Update(t.Context(), next, created.Revision))(t)
	after := fetch(t, namespace, "one", &v1alpha1.MCPAdapter{})
	if updated.Revision == created.Revision || updated.TemplateHash() == created.TemplateHash() {
		t.Errorf("revision %s of %s, template %s of %s", updated.Revision, created.Revision, updated.TemplateHash(), created.TemplateHash())
	}
	refs, old := after.Spec.SecretEnvironmentVariables, before.Spec.SecretEnvironmentVariables
	if refs["KEY"] != old["KEY"] || refs["TOKEN"] == old["TOKEN"] {
		t.Errorf("references %v of %v", refs, old)
	}
	if data := fetch(t, namespace, "mcp-one-env", &corev1.Secret{}).Data; string(data[old["TOKEN"].Key]) != "hunter22" {
		t.Error("the value that pods run with is gone")
	}

	next.SecretEnvironmentVariables = map[string]adapters.Secret{"TOKEN": "hunter44"}
	must(store.Update(t.Context(), next, ""))(t)
	if data := fetch(t, namespace, "mcp-one-env", &corev1.Secret{}).Data; data[old["TOKEN"].Key] != nil || len(data) != 3 {
		t.Errorf("%d values are kept, the first one among them: %v", len(data), data[old["TOKEN"].Key] != nil)
	}
	again := connect(t, namespace).Store()
	for _, got := range []adapters.Adapter{must(again.Get(t.Context(), "one"))(t), must(again.List(t.Context()))(t)[0]} {
		if d := cmp.Diff(map[string]string{"TOKEN": "hunter44"}, got.Secrets()); d != "" {
			t.Errorf("another replica (-want +got):\n%s", d)
		}
	}
}

// TestSecretOfAnEarlierLife: what an adapter left, and Kubernetes has not removed
// yet, does not stand in the way of the next of its name. Somebody's own does.
func TestSecretOfAnEarlierLife(t *testing.T) {
	namespace := newNamespace(t)
	store := connect(t, namespace).Store()
	values := map[string]adapters.Secret{"TOKEN": "hunter22"}
	must(store.Create(t.Context(), secretive("one", values)))(t)
	left := fetch(t, namespace, "mcp-one-env", &corev1.Secret{})
	if err := store.Delete(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	must(store.Create(t.Context(), secretive("one", values)))(t)
	if now := fetch(t, namespace, "mcp-one-env", &corev1.Secret{}); now.UID == left.UID {
		t.Error("the Secret of the earlier life is in use")
	}
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "mcp-two-env", Namespace: namespace}, StringData: map[string]string{"a": "theirs"}}
	if err := server.admin.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Create(t.Context(), secretive("two", values)); !errors.Is(err, adapters.ErrUnsupported) {
		t.Errorf("got error %v", err)
	}
	if _, err := store.Get(t.Context(), "two"); !errors.Is(err, adapters.ErrNotFound) {
		t.Errorf("the adapter without its secrets is there: %v", err)
	}
	if got := fetch(t, namespace, "mcp-two-env", &corev1.Secret{}); string(got.Data["a"]) != "theirs" || len(got.Data) != 1 {
		t.Error("somebody's own Secret was changed")
	}
}

// TestSecretsOfTooManyBytes are refused, with a reason, and leave what was there.
func TestSecretsOfTooManyBytes(t *testing.T) {
	store := connect(t, newNamespace(t)).Store()
	many := map[string]adapters.Secret{}
	for i := range 17 {
		many[fmt.Sprintf("S%d", i)] = adapters.Secret(strings.Repeat("x", 1<<16))
	}
	if _, err := store.Create(t.Context(), secretive("one", many)); !errors.Is(err, adapters.ErrUnsupported) || !strings.Contains(err.Error(), "1 MiB") {
		t.Errorf("Create: got error %.300v", err)
	}
	few := secretive("one", map[string]adapters.Secret{"TOKEN": "hunter22"})
	created := must(store.Create(t.Context(), few))(t)
	few.ID, few.SecretEnvironmentVariables = created.ID, many
	if _, err := store.Update(t.Context(), few, ""); !errors.Is(err, adapters.ErrUnsupported) {
		t.Errorf("Update: got error %.300v", err)
	}
	if got := must(store.Get(t.Context(), "one"))(t); got.Revision != created.Revision || got.SecretEnvironmentVariables["TOKEN"] != "hunter22" {
		t.Error("what was there is not")
	}
}

// TestSecretsByReference: the values are those of Secrets that users keep, now.
func TestSecretsByReference(t *testing.T) {
	namespace := newNamespace(t)
	store := connect(t, namespace).Store()
	changes := store.Changes(t.Context())
	object := stdio(namespace, "one", 1)
	object.Spec.SecretEnvironmentVariables = map[string]v1alpha1.SecretReference{"TOKEN": {Name: "theirs", Key: "token"}}
	if err := server.admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	locked := awaitUnreadable(t, store, changes)
	if locked.Name != "one" || locked.ID == "" || strings.Contains(locked.Reason, "theirs") || !strings.Contains(locked.Error(), "TOKEN") {
		t.Errorf("unreadable: reason %q, error %v", locked.Reason, locked)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: namespace}, StringData: map[string]string{"token": "hunter22"}}
	if err := server.admin.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	first := awaitListed(t, store, changes, func(a adapters.Adapter) bool { return a.SecretEnvironmentVariables["TOKEN"] == "hunter22" })
	secret.StringData = map[string]string{"token": "hunter33"}
	if err := server.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	second := awaitListed(t, store, changes, func(a adapters.Adapter) bool { return a.SecretEnvironmentVariables["TOKEN"] == "hunter33" })
	if first.TemplateHash() == second.TemplateHash() {
		t.Error("pods would go on with the value of before")
	}
	second.Description = "changed through the API"
	must(store.Update(t.Context(), second, second.Revision))(t)
	if got := fetch(t, namespace, "one", &v1alpha1.MCPAdapter{}).Spec; got.SecretEnvironmentVariables["TOKEN"].Name != "theirs" || got.Description != second.Description {
		t.Errorf("a change of another member made it %v", got)
	}
}

// patience is how long a change may take to come.
const patience = 20 * time.Second

// awaitUnreadable is the first object that cannot be read.
func awaitUnreadable(t *testing.T, store adapters.Store, changes <-chan struct{}) *adapters.UnreadableError {
	t.Helper()
	for {
		if locked := must(store.Unreadable(t.Context()))(t); len(locked) > 0 {
			if all := must(store.List(t.Context()))(t); len(all) > 0 {
				t.Errorf("it is listed: %v", all)
			}
			return locked[0]
		}
		await(t, changes)
	}
}

// awaitListed is the one adapter once it is as it should be.
func awaitListed(t *testing.T, store adapters.Store, changes <-chan struct{}, done func(adapters.Adapter) bool) adapters.Adapter {
	t.Helper()
	for {
		if all := must(store.List(t.Context()))(t); len(all) == 1 && done(all[0]) {
			return all[0]
		}
		await(t, changes)
	}
}

func await(t *testing.T, changes <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-changes:
	case <-ctx.Done():
		t.Fatal("no change came")
	}
}
