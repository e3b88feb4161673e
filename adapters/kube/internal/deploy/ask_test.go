package deploy

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/instances"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
)

// bridgePod is a pod whose bridge runs at an address.
func bridgePod(name, address string, ready corev1.ConditionStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{objects.LabelServer: objects.ServerBridge}},
		Status: corev1.PodStatus{
			PodIP:             address,
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: objects.Container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		},
	}
}

func TestBridgesAreAsked(t *testing.T) {
	var asked atomic.Int64
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"state":"Failed","reason":"CommandExited","message":"no","restarts":2,"sessions":0}`)
	}))
	defer bridge.Close()
	host, port, err := net.SplitHostPort(bridge.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{}, 10)
	a := newAsker(func() { told <- struct{}{} })
	if a.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	image := bridgePod("image", host, corev1.ConditionFalse)
	image.Labels[objects.LabelServer] = objects.ServerImage
	p := bridgePod("one", host, corev1.ConditionFalse)
	a.follow(t.Context(), []*corev1.Pod{p, image})
	a.follow(t.Context(), []*corev1.Pod{p, image}) // which asks nobody twice
	<-told
	a.wait()
	want := instances.Answer{State: adapters.InstanceFailed, Reason: "CommandExited", Message: "no", Restarts: 2}
	all := a.answers()
	if got := all["one"]; len(all) != 1 || got.State != want.State || got.Reason != want.Reason || got.Message != want.Message || got.Restarts != 2 || asked.Load() != 1 {
		t.Errorf("got %+v after %d questions", all, asked.Load())
	}
	ending := metav1.Now()
	p.DeletionTimestamp = &ending
	a.follow(t.Context(), []*corev1.Pod{p})
	if len(a.answers()) != 1 {
		t.Error("what a pod said was forgotten while it ends")
	}
	a.follow(t.Context(), nil)
	if len(a.answers()) != 0 || asked.Load() != 1 {
		t.Error("a pod that is gone is remembered, or asked")
	}
}

// TestBridgesAreAskedAgain: often while they are not ready, seldom when they are,
// and at once when that changes.
func TestBridgesAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		began := time.Now()
		told := make(chan struct{}, 100)
		a := newAsker(func() { told <- struct{}{} })
		a.client.Transport = answerer(func() string {
			asked = append(asked, time.Since(began))
			return `{"state":"Ready","tools":["echo"]}`
		})
		p := bridgePod("one", "10.0.0.1", corev1.ConditionFalse)
		run := func(d time.Duration) {
			end := time.After(d)
			a.follow(t.Context(), []*corev1.Pod{p})
			for {
				select {
				case <-end:
					return
				case <-told:
				case <-a.due():
				}
				a.follow(t.Context(), []*corev1.Pod{p})
			}
		}
		run(2500 * time.Millisecond)
		p = bridgePod("one", "10.0.0.1", corev1.ConditionTrue)
		run(6 * time.Minute)
		a.wait()
		want := []time.Duration{0, time.Second, 2 * time.Second, 2500 * time.Millisecond, 2500*time.Millisecond + 5*time.Minute}
		if !slices.Equal(asked, want) {
			t.Errorf("asked at %v, want %v", asked, want)
		}
	})
}

// answerer answers without a network.
type answerer func() string

func (a answerer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	fmt.Fprint(w, a())
	response := w.Result()
	response.Request = r
	return response, nil
}

func TestParse(t *testing.T) {
	for text, good := range map[string]bool{
		`{"state":"Ready"}`: true, `{"state":"Ready","restarts":-1}`: true, `{"state":"Odd"}`: false, `{}`: false, `no`: false, ``: false,
	} {
		answer, err := parse([]byte(text))
		if (err == nil) != good || answer.Restarts < 0 {
			t.Errorf("%s gives %+v, %v", text, answer, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"state":"Ready","tools":["a"],"restarts":1}`))
	f.Add([]byte(`{"state":"Failed","reason":"x","message":"y"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if answer, err := parse(text); err == nil && (answer.State == "" || answer.Restarts < 0) {
			t.Errorf("%q gives %+v", text, answer)
		}
	})
}
