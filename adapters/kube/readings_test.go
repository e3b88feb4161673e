package kube

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/kube/v1alpha1"
)

// held is a client that reads from memory, and nothing else.
type held struct {
	client.Client
	objects []v1alpha1.MCPAdapter
	secret  corev1.Secret
}

func (h *held) List(_ context.Context, to client.ObjectList, _ ...client.ListOption) error {
	to.(*v1alpha1.MCPAdapterList).Items = append([]v1alpha1.MCPAdapter{}, h.objects...)
	return nil
}

func (h *held) Get(_ context.Context, _ client.ObjectKey, to client.Object, _ ...client.GetOption) error {
	*to.(*corev1.Secret) = h.secret
	return nil
}

// holding is a Store of n objects, and what it reads them from. Its counter counts
// the verdicts.
func holding(n int) (s *Store, h *held, judged *int) {
	h, judged = &held{}, new(int)
	for i := range n {
		object := anObject()
		object.Name, object.UID = fmt.Sprintf("many-%04d", i), types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i))
		setSpec(object, adapterstest.Example(object.Name).Spec, nil)
		h.objects = append(h.objects, *object)
	}
	s = &Store{client: h, reported: map[string]string{}, log: slog.New(slog.DiscardHandler), filled: make(chan struct{}), check: func(adapters.Spec) []adapters.Fault { *judged++; return nil }}
	s.readings.Store(&readings{})
	close(s.filled)
	return s, h, judged
}

// TestListReadsWhatChanged: an object that is as it was is not read again, unless
// what it refers to or the rules may have changed, and nobody can change what others
// are told.
func TestListReadsWhatChanged(t *testing.T) {
	s, h, judged := holding(3)
	h.objects[2].Spec.SecretEnvironmentVariables = map[string]v1alpha1.SecretReference{"TOKEN": {Name: "theirs", Key: "token"}}
	h.secret.UID, h.secret.Data = "theirs", map[string][]byte{"token": []byte("the first")}
	list := func() []adapters.Adapter {
		t.Helper()
		all, err := s.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := list()
	if len(first) != 3 || *judged != 3 {
		t.Fatalf("%d adapters after %d verdicts", len(first), *judged)
	}
	first[0].EnvironmentVariables["CHANGED"] = "yes"
	list()[0].EnvironmentVariables["CHANGED"] = "yes"
	if got := list()[0]; got.EnvironmentVariables["CHANGED"] != "" || got.Revision != first[0].Revision {
		t.Errorf("a caller changed what others read: %v", got)
	}
	h.objects[0].ResourceVersion, h.objects[0].Generation, h.objects[0].Spec.Description = "8", 2, "another"
	h.secret.ResourceVersion, h.secret.Data = "2", map[string][]byte{"token": []byte("the second")}
	if got := list(); got[0].Description != "another" || got[2].SecretEnvironmentVariables["TOKEN"] != "the second" || *judged != 5 {
		t.Errorf("after a change: %v, %d verdicts", got, *judged)
	}
	h.objects[1].UID = "00000000-0000-0000-0000-00000000000f"
	if got := list(); got[1].ID == first[1].ID {
		t.Error("an object of another life is taken for the former one")
	}
	for name, known := range *s.readings.Load() {
		known.judged = known.judged.Add(-verdictStands)
		(*s.readings.Load())[name] = known
	}
	for name, known := range s.verdicts.known {
		known.at = known.at.Add(-verdictStands)
		s.verdicts.known[name] = known
	}
	if before := *judged; len(list()) != 3 || *judged != before+3 {
		t.Errorf("%d verdicts after their time, want 3", *judged-before)
	}
	h.objects = h.objects[:1]
	if list(); len(*s.readings.Load()) != 1 {
		t.Errorf("kept: %v", *s.readings.Load())
	}
}

// BenchmarkList is what it costs to list a thousand adapters when one has changed.
func BenchmarkList(b *testing.B) {
	s, h, _ := holding(1000)
	for i := 0; b.Loop(); i++ {
		h.objects[i%len(h.objects)].ResourceVersion = strconv.Itoa(100 + i)
		if all, err := s.List(b.Context()); err != nil || len(all) != len(h.objects) {
			b.Fatal(len(all), err)
		}
	}
}
