package warnings

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun: what is there, what comes and what goes.
func TestRun(t *testing.T) {
	client := fake.NewClientset(event("one", "p", "FailedMount", "first", 0))
	changes := make(chan struct{}, 8)
	b := NewBook(client, "ns", func() { changes <- struct{}{} })
	b.now = func() time.Time { return now }
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	await := func(want int) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(20 * time.Second):
			t.Fatal("no change came")
		}
		if got := b.Current()[about("p")]; len(got) != want {
			t.Fatalf("got %v", got)
		}
	}
	await(1)
	if _, err := client.CoreV1().Events("ns").Create(ctx, event("two", "p", "FailedMount", "second", 0), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(2)
	if err := client.CoreV1().Events("ns").Delete(ctx, "one", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(1)
}
