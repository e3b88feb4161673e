package kube

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/apikeys"
)

// APIKeysSecret is the Secret that keeps what is kept of API keys, in the namespace
// of the adapters. It is made with the first key.
const APIKeysSecret = "mooring-api-keys"

const (
	apiKeysEntry = "apikeys.json"
	// maxAPIKeys is what a Secret can hold, in bytes, and a little less.
	maxAPIKeys = 1_000_000
)

// errUnheard: the cache has not been filled yet.
var errUnheard = errors.New("the cache of Secrets has not been filled yet")

// keysDocument is that Secret.
type keysDocument struct {
	adapters.Notifier
	namespace string
	client    client.Client
	live      client.Reader
	cache     cache.Cache
	last      atomic.Pointer[keysText]
}

// keysText is the Secret at one moment.
type keysText struct {
	text    []byte
	version string
}

var _ apikeys.Document = (*keysDocument)(nil)

// APIKeys is what the control planes share of API keys. Heard answers once Run has
// filled the cache.
func (c *Cluster) APIKeys() apikeys.Document { return c.keys }

// addAPIKeys makes c follow the Secret.
func (c *Cluster) addAPIKeys() {
	c.keys = &keysDocument{
		namespace: c.cfg.Namespace, cache: c.objects.GetCache(), live: c.objects.GetAPIReader(),
		client: client.WithFieldOwner(c.objects.GetClient(), fieldManager),
	}
	c.everywhere = append(c.everywhere, c.keys.follow)
}

// Read implements apikeys.Document.
func (d *keysDocument) Read(ctx context.Context) ([]byte, string, error) {
	secret, err := d.get(ctx)
	if err != nil {
		return nil, "", err
	}
	return secret.Data[apiKeysEntry], secret.ResourceVersion, nil
}

// get is the Secret as it is, or an empty one where there is none.
func (d *keysDocument) get(ctx context.Context) (*corev1.Secret, error) {
	secret := new(corev1.Secret)
	err := d.live.Get(ctx, client.ObjectKey{Namespace: d.namespace, Name: APIKeysSecret}, secret)
	if apierrors.IsNotFound(err) {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: d.namespace, Name: APIKeysSecret,
			// No adapter is given what is in it.
			Labels: map[string]string{labelPartOf: partOfMooring},
		}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", APIKeysSecret, err)
	}
	return secret, nil
}

// Write implements apikeys.Document.
func (d *keysDocument) Write(ctx context.Context, text []byte, version string) error {
	if len(text) > maxAPIKeys {
		return apikeys.ErrFull
	}
	secret, err := d.get(ctx)
	if err != nil {
		return err
	}
	if secret.ResourceVersion != version {
		return apikeys.ErrChanged
	}
	secret.Data = map[string][]byte{apiKeysEntry: text}
	if version == "" {
		err = d.client.Create(ctx, secret)
	} else {
		err = d.client.Update(ctx, secret)
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return apikeys.ErrChanged
	}
	if err != nil {
		return fmt.Errorf("writing Secret %s: %w", APIKeysSecret, err)
	}
	return nil
}

// Heard implements apikeys.Document.
func (d *keysDocument) Heard() ([]byte, string, error) {
	last := d.last.Load()
	if last == nil {
		return nil, "", errUnheard
	}
	return last.text, last.version, nil
}

// follow hears of the Secret until ctx ends.
func (d *keysDocument) follow(ctx context.Context) error {
	informer, err := d.cache.GetInformer(ctx, &corev1.Secret{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching Secrets: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    d.hear,
		UpdateFunc: func(_, now any) { d.hear(now) },
		DeleteFunc: func(old any) {
			if gone, ok := old.(toolscache.DeletedFinalStateUnknown); ok {
				old = gone.Obj
			}
			if secret, ok := old.(*corev1.Secret); ok && d.is(secret) {
				d.keep(&keysText{})
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching Secrets: %w", err)
	}
	// It fails only where the informer has ended, and the handler with it.
	defer func() { _ = informer.RemoveEventHandler(registration) }()
	if toolscache.WaitForCacheSync(ctx.Done(), registration.HasSynced) && d.last.CompareAndSwap(nil, &keysText{}) {
		d.Notify()
	}
	<-ctx.Done()
	return nil
}

func (d *keysDocument) hear(object any) {
	if secret, ok := object.(*corev1.Secret); ok && d.is(secret) {
		d.keep(&keysText{text: secret.Data[apiKeysEntry], version: secret.ResourceVersion})
	}
}

func (d *keysDocument) is(secret *corev1.Secret) bool {
	return secret.Name == APIKeysSecret && secret.Namespace == d.namespace
}

func (d *keysDocument) keep(text *keysText) {
	d.last.Store(text)
	d.Notify()
}
