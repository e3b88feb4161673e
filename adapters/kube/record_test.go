package kube

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

const someUID = "00112233-4455-6677-8899-aabbccddeeff"

func TestUIDOf(t *testing.T) {
	id, err := UIDOf(someUID)
	if err != nil || id != "aaisem2ekvthpcezvk54zxpo74" || len(id) != len(adapters.NewUID()) {
		t.Errorf("got %q, %v", id, err)
	}
	for _, uid := range []string{"", "0011", "00112233-4455-6677-8899-aabbccddeefg", "00112233-4455-6677-8899-aabbccddeeff00"} {
		if id, err := UIDOf(types.UID(uid)); err == nil {
			t.Errorf("%q became %q", uid, id)
		}
	}
}

var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func anObject() *v1alpha1.MCPAdapter {
	return &v1alpha1.MCPAdapter{ObjectMeta: metav1.ObjectMeta{
		Name: "one", UID: someUID, Generation: 1, CreationTimestamp: metav1.NewTime(created), ResourceVersion: "7",
	}}
}

func TestRecordSurvivesAnnotations(t *testing.T) {
	for name, a := range map[string]adapters.Adapter{
		"new":     {CreatedBy: "https://issuer.example|alice", CreatedAt: created, LastUpdatedAt: created, Origin: "whose:what"},
		"changed": {CreatedBy: "bob", CreatedAt: created, LastUpdatedAt: created.Add(time.Hour + 123*time.Microsecond)},
		"no one":  {CreatedAt: created, LastUpdatedAt: created},
	} {
		object := anObject()
		object.Annotations = map[string]string{"other": "stays", AnnotationOrigin: "before"}
		describe(object, a)
		got, err := described(object)
		if err != nil {
			t.Fatal(err)
		}
		a.ID, a.Generation, a.Revision = got.ID, 1, got.Revision
		if d := cmp.Diff(a, got); d != "" || object.Annotations["other"] != "stays" {
			t.Errorf("%s (-want +got):\n%s\n%v", name, d, object.Annotations)
		}
	}
}

// TestRevision: status writes leave it, and whatever a route is made of changes
// it.
func TestRevision(t *testing.T) {
	revisionOf := func(change func(*v1alpha1.MCPAdapter)) adapters.Revision {
		object := anObject()
		change(object)
		a, err := described(object)
		if err != nil {
			t.Fatal(err)
		}
		return a.Revision
	}
	before := revisionOf(func(*v1alpha1.MCPAdapter) {})
	if got := revisionOf(func(o *v1alpha1.MCPAdapter) { o.ResourceVersion, o.Status.ReadyReplicas = "8", 1 }); got != before {
		t.Errorf("status made it %s of %s", got, before)
	}
	for name, change := range map[string]func(*v1alpha1.MCPAdapter){
		"another life":  func(o *v1alpha1.MCPAdapter) { o.UID = "10112233-4455-6677-8899-aabbccddeeff" },
		"another spec":  func(o *v1alpha1.MCPAdapter) { o.Generation = 2 },
		"another owner": func(o *v1alpha1.MCPAdapter) { o.Annotations = map[string]string{AnnotationCreatedBy: "bob"} },
	} {
		if revisionOf(change) == before {
			t.Errorf("%s left it", name)
		}
	}
}

func TestLastUpdate(t *testing.T) {
	entry := func(manager, subresource string, after time.Duration) metav1.ManagedFieldsEntry {
		at := metav1.NewTime(created.Add(after))
		return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, Time: &at}
	}
	noted := created.Add(time.Minute + time.Microsecond)
	for name, tt := range map[string]struct {
		noted   time.Time
		entries []metav1.ManagedFieldsEntry
		want    time.Time
	}{
		"created by the API":         {entries: []metav1.ManagedFieldsEntry{entry(fieldManager, "", 0)}, want: created},
		"created by kubectl":         {entries: []metav1.ManagedFieldsEntry{entry("kubectl", "", 0)}, want: created},
		"changed by the API":         {noted: noted, entries: []metav1.ManagedFieldsEntry{entry(fieldManager, "", time.Minute)}, want: noted},
		"changed by kubectl":         {entries: []metav1.ManagedFieldsEntry{entry("kubectl", "", time.Hour)}, want: created.Add(time.Hour)},
		"changed by kubectl, later":  {noted: noted, entries: []metav1.ManagedFieldsEntry{entry("kubectl", "", time.Hour)}, want: created.Add(time.Hour)},
		"changed by kubectl, before": {noted: noted, entries: []metav1.ManagedFieldsEntry{entry("kubectl", "", time.Second)}, want: noted},
		"scaled":                     {entries: []metav1.ManagedFieldsEntry{entry("kubectl", "scale", time.Hour)}, want: created.Add(time.Hour)},
		"a status":                   {entries: []metav1.ManagedFieldsEntry{entry("mooring", "status", time.Hour)}, want: created},
	} {
		object := anObject()
		object.ManagedFields = tt.entries
		if !tt.noted.IsZero() {
			object.Annotations = map[string]string{AnnotationLastUpdatedAt: tt.noted.Format(time.RFC3339Nano)}
		}
		if got := lastUpdate(object); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
