package informers_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters/kube/internal/informers"
)

// counted is a cache that counts its handlers, and knows no Secrets.
type counted struct {
	cache.Cache
	cache.Informer
	handlers int
}

func (c *counted) GetInformer(_ context.Context, object client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	if _, is := object.(*corev1.Secret); is {
		return nil, errors.New("no such kind")
	}
	return c, nil
}

func (c *counted) AddEventHandler(toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	c.handlers++
	return nil, nil
}

func (c *counted) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error {
	c.handlers--
	return nil
}

// TestWatch: all handlers go together, at the end and where one cannot come.
func TestWatch(t *testing.T) {
	c := &counted{}
	known := []informers.Watched{{Object: &corev1.Pod{}}, {Object: &corev1.Service{}}}
	remove, err := informers.Watch(t.Context(), c, known)
	if err != nil || c.handlers != 2 {
		t.Fatalf("%d handlers, %v", c.handlers, err)
	}
	if remove(); c.handlers != 0 {
		t.Errorf("%d handlers are left", c.handlers)
	}
	_, err = informers.Watch(t.Context(), c, append(known, informers.Watched{Object: &corev1.Secret{}}))
	if err == nil || !strings.Contains(err.Error(), "Secret: no such kind") || c.handlers != 0 {
		t.Errorf("%d handlers are left, %v", c.handlers, err)
	}
}
