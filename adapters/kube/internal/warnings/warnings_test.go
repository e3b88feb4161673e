package warnings

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// event is a warning about a pod, given so long ago.
func event(name, pod, reason, message string, ago time.Duration) *corev1.Event {
	at := metav1.NewTime(now.Add(-ago))
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: name, Namespace: "ns"},
		InvolvedObject: corev1.ObjectReference{Kind: Pod, Name: pod, UID: types.UID("uid of " + pod)},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: message, FirstTimestamp: at, LastTimestamp: at,
	}
}

// newBook tells how often it told of a change.
func newBook() (*Book, *int) {
	told := 0
	b := NewBook(nil, "ns", func() { told++ })
	b.now = func() time.Time { return now }
	return b, &told
}

func about(pod string) About { return About{Kind: Pod, Name: pod} }

func TestRead(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*corev1.Event)
		want   string
	}{
		"a warning":        {func(*corev1.Event) {}, "FailedMount no such secret"},
		"news":             {func(e *corev1.Event) { e.Type = corev1.EventTypeNormal }, ""},
		"another kind":     {func(e *corev1.Event) { e.InvolvedObject.Kind = "Job" }, ""},
		"in the status":    {func(e *corev1.Event) { e.Reason = "FailedScheduling" }, ""},
		"of no importance": {func(e *corev1.Event) { e.Reason = "DNSConfigForming" }, ""},
		"several alike":    {func(e *corev1.Event) { e.Message = "(combined from similar events): no such secret" }, "FailedMount no such secret"},
		"no text":          {func(e *corev1.Event) { e.Message = "a\xffb" }, "FailedMount ab"},
		"too long":         {func(e *corev1.Event) { e.Message = strings.Repeat("é", maxMessage) }, "FailedMount " + strings.Repeat("é", maxMessage/2)},
	} {
		t.Run(name, func(t *testing.T) {
			e := event("e", "mcp-a-0", "FailedMount", "no such secret", 0)
			test.change(e)
			got := ""
			if at, w, ok := read(e); ok {
				got = w.Reason + " " + w.Message
				if at != about("mcp-a-0") || w.Object != "uid of mcp-a-0" {
					t.Errorf("about %v, %s", at, w.Object)
				}
			}
			if got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	old, late := metav1.NewTime(now.Add(-time.Minute)), metav1.NewTime(now)
	for name, test := range map[string]struct {
		event       corev1.Event
		first, last time.Time
	}{
		"counted":     {corev1.Event{FirstTimestamp: old, LastTimestamp: late}, old.Time, now},
		"a series":    {corev1.Event{EventTime: metav1.MicroTime(old), Series: &corev1.EventSeries{LastObservedTime: metav1.MicroTime(late)}}, old.Time, now},
		"a single":    {corev1.Event{EventTime: metav1.MicroTime(late)}, now, now},
		"no time":     {corev1.Event{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: late}}, now, now},
		"wrong order": {corev1.Event{FirstTimestamp: late, LastTimestamp: old}, now, now},
	} {
		if f, l := first(&test.event), last(&test.event); !f.Equal(test.first) || !l.Equal(test.last) {
			t.Errorf("%s: %s, %s", name, f, l)
		}
	}
}

// TestRepeated: what is said again is no news, and what is said anew is.
func TestRepeated(t *testing.T) {
	b, told := newBook()
	for i, step := range []struct {
		change func() error
		want   string
		told   int
	}{
		{func() error { return b.Add(event("one", "p", "FailedMount", "first", time.Minute)) }, "first", 1},
		{func() error { return b.Update(event("one", "p", "FailedMount", "first", time.Second)) }, "first", 1},
		{func() error { return b.Add(event("two", "p", "FailedMount", "second", 0)) }, "second first", 2},
		{func() error { return b.Add(event("old", "p", "FailedMount", "stale", time.Hour)) }, "second first", 2},
		{func() error { return b.Delete(event("two", "p", "FailedMount", "second", 0)) }, "first", 3},
		{func() error { return b.Replace([]any{event("one", "p", "FailedMount", "first", 0)}, "") }, "first", 3},
		{func() error { return b.Replace(nil, "") }, "", 4},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, w := range b.Current()[about("p")] {
			words = append(words, w.Message)
		}
		if got := strings.Join(words, " "); got != step.want || *told != step.told {
			t.Errorf("step %d: %q, told %d times", i, got, *told)
		}
	}
}

// TestBounds: what is too much goes, the oldest first.
func TestBounds(t *testing.T) {
	b, _ := newBook()
	for i := range perObject + 2 {
		if err := b.Add(event(fmt.Sprint(i), "p", "FailedMount", fmt.Sprint(i), time.Minute-time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	page := b.Current()[about("p")]
	if len(page) != perObject || page[0].Message != fmt.Sprint(perObject+1) {
		t.Errorf("kept: %v", page)
	}
	for i := range maxObjects {
		if err := b.Add(event("e", fmt.Sprint(i), "FailedMount", "x", 0)); err != nil {
			t.Fatal(err)
		}
	}
	if all := b.Current(); len(all) != maxObjects || all[about("p")] != nil {
		t.Errorf("%d objects", len(all))
	}
}

// TestWarningsEnd though nobody takes them back.
func TestWarningsEnd(t *testing.T) {
	b, _ := newBook()
	if err := b.Add(event("one", "p", "FailedMount", "first", 0)); err != nil {
		t.Fatal(err)
	}
	b.now = func() time.Time { return now.Add(Stands) }
	if len(b.Current()) != 1 {
		t.Error("it is gone before its time")
	}
	b.now = func() time.Time { return now.Add(Stands + time.Second) }
	if all := b.Current(); len(all) != 0 || len(b.pages) != 0 {
		t.Errorf("left: %v", all)
	}
}

func TestWhatIsNoEvent(t *testing.T) {
	b, _ := newBook()
	if err := b.Add(&corev1.Pod{}); err == nil {
		t.Error("a pod was taken for an event")
	}
}
