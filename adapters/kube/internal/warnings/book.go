package warnings

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	toolscache "k8s.io/client-go/tools/cache"
)

const (
	// maxObjects bounds of how many objects there are warnings, and perObject how
	// many of each: 16 MiB at most, with the longest messages.
	maxObjects = 4096
	perObject  = 4
)

// Book keeps the newest warnings of a namespace. It is a store of its own behind
// a reflector, and no informer's: that would keep every event, and whoever waits
// for caches would wait for this one, which nobody needs.
type Book struct {
	api       kubernetes.Interface
	namespace string
	tell      func()
	now       func() time.Time

	mu    sync.Mutex
	pages map[About][]Warning // the newest first; a page is never changed
	// wake is when the next warning stands no longer.
	wake *time.Timer
}

var _ toolscache.TransformingStore = (*Book)(nil)

// NewBook returns a Book without warnings. tell is called when others stand than
// before, and not when one is only repeated.
func NewBook(api kubernetes.Interface, namespace string, tell func()) *Book {
	wake := time.NewTimer(time.Hour)
	wake.Stop()
	return &Book{api: api, namespace: namespace, tell: tell, now: time.Now, pages: map[About][]Warning{}, wake: wake}
}

// Run keeps the book up to date until ctx ends. Where events cannot be read, as
// without the right to, it tries again and again, ever more seldom.
func (b *Book) Run(ctx context.Context) {
	warning := fields.OneTermEqualSelector("type", corev1.EventTypeWarning).String()
	events := b.api.CoreV1().Events(b.namespace)
	source := &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = warning
			return events.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = warning
			return events.Watch(ctx, o)
		},
	}
	toolscache.NewReflectorWithOptions(toolscache.ToListWatcherWithWatchListSemantics(source, b.api), &corev1.Event{}, b,
		toolscache.ReflectorOptions{Name: "warnings"}).RunWithContext(ctx)
}

// Due receives when a warning stands no longer, after Current was called.
func (b *Book) Due() <-chan time.Time { return b.wake.C }

// Current are the warnings that stand, the newest of each object first. The lists
// are shared, and only to be read.
func (b *Book) Current() map[About][]Warning {
	b.mu.Lock()
	defer b.mu.Unlock()
	limit, next := b.now().Add(-Stands), time.Time{}
	for about, page := range b.pages {
		b.put(about, slices.DeleteFunc(slices.Clone(page), func(w Warning) bool { return w.Last.Before(limit) }))
		for _, w := range b.pages[about] {
			if next.IsZero() || w.Last.Before(next) {
				next = w.Last
			}
		}
	}
	if !next.IsZero() {
		b.wake.Reset(next.Sub(limit) + time.Second)
	}
	return maps.Clone(b.pages)
}

// put sets a page, which is none where it is empty. The lock is held.
func (b *Book) put(about About, page []Warning) {
	if len(page) == 0 {
		delete(b.pages, about)
		return
	}
	b.pages[about] = page
}

// Add implements toolscache.ReflectorStore.
func (b *Book) Add(object any) error { return b.change(object, true) }

// Update implements toolscache.ReflectorStore.
func (b *Book) Update(object any) error { return b.change(object, true) }

// Delete implements toolscache.ReflectorStore.
func (b *Book) Delete(object any) error { return b.change(object, false) }

// Replace implements toolscache.ReflectorStore.
func (b *Book) Replace(list []any, _ string) error {
	b.mu.Lock()
	before := b.pages
	b.pages = make(map[About][]Warning, len(before))
	for _, object := range list {
		if event, is := object.(*corev1.Event); is {
			b.enter(event)
		}
	}
	same := maps.EqualFunc(before, b.pages, alike)
	b.mu.Unlock()
	if !same {
		b.tell()
	}
	return nil
}

// Resync implements toolscache.ReflectorStore. There is nothing to do.
func (b *Book) Resync() error { return nil }

// Transformer implements toolscache.TransformingStore: what is gathered before
// Replace is little, too.
func (b *Book) Transformer() toolscache.TransformFunc {
	return func(object any) (any, error) {
		if event, is := object.(*corev1.Event); is {
			event.ManagedFields, event.Annotations, event.Labels, event.Related = nil, nil, nil, nil
		}
		return object, nil
	}
}

func (b *Book) change(object any, there bool) error {
	event, is := object.(*corev1.Event)
	if !is {
		return fmt.Errorf("%T is no event", object)
	}
	about, _, ok := read(event)
	if !ok {
		return nil
	}
	b.mu.Lock()
	before := b.pages[about]
	if there {
		b.enter(event)
	} else {
		b.put(about, without(before, event.Name))
	}
	same := alike(before, b.pages[about])
	b.mu.Unlock()
	if !same {
		b.tell()
	}
	return nil
}

// enter puts an event in its place. The lock is held.
func (b *Book) enter(event *corev1.Event) {
	about, w, ok := read(event)
	if !ok || w.Last.Before(b.now().Add(-Stands)) {
		return
	}
	page := append(without(b.pages[about], w.event), w)
	slices.SortStableFunc(page, func(x, y Warning) int { return y.Last.Compare(x.Last) })
	b.put(about, page[:min(len(page), perObject)])
	if len(b.pages) > maxObjects {
		b.dropOldest()
	}
}

// dropOldest forgets the object that was warned of least lately.
func (b *Book) dropOldest() {
	var oldest About
	var at time.Time
	for about, page := range b.pages {
		if at.IsZero() || page[0].Last.Before(at) {
			oldest, at = about, page[0].Last
		}
	}
	delete(b.pages, oldest)
}

// without is a copy of the page that lacks an event.
func without(page []Warning, event string) []Warning {
	return slices.DeleteFunc(slices.Clone(page), func(w Warning) bool { return w.event == event })
}

// alike reports whether two pages warn of the same, whenever they did last.
func alike(x, y []Warning) bool {
	return slices.EqualFunc(x, y, func(x, y Warning) bool {
		return x.Object == y.Object && x.Reason == y.Reason && x.Message == y.Message
	})
}
