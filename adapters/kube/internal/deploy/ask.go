package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/instances"
	"github.com/mooring-mcp/mooring/adapters/kube/internal/objects"
)

const (
	askTimeout = 2 * time.Second
	// maxAsking bounds how many bridges are asked at a time.
	maxAsking = 16
	// maxAnswer bounds an answer in bytes.
	maxAnswer = 64 << 10
	// A bridge that is not ready is asked often, since somebody waits for it; one
	// that is ready, for what its server has learnt since.
	askStarting = time.Second
	askUnknown  = 30 * time.Second
	askReady    = 5 * time.Minute
)

// asker asks bridges how they are: why they are not ready, in their servers' own
// words, and which tools they have. No request of it reaches the cluster's API.
type asker struct {
	tell   func()
	port   int
	client http.Client
	places chan struct{}
	asks   sync.WaitGroup
	wake   *time.Timer

	mu    sync.Mutex
	known map[types.UID]*asked
}

// asked is what is known of one pod's bridge.
type asked struct {
	answer *instances.Answer
	ready  bool // as Kubernetes sees it
	due    time.Time
	busy   bool
}

func newAsker(tell func()) *asker {
	wake := time.NewTimer(time.Hour)
	wake.Stop()
	return &asker{
		tell: tell, port: objects.Port, known: map[types.UID]*asked{}, places: make(chan struct{}, maxAsking), wake: wake,
		client: http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true, Proxy: nil},
			Timeout:       askTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// due receives when follow should be called though no pod has changed.
func (a *asker) due() <-chan time.Time { return a.wake.C }

// wait returns when nothing is asked any more.
func (a *asker) wait() { a.asks.Wait() }

// answers are the newest of all bridges.
func (a *asker) answers() map[types.UID]instances.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make(map[types.UID]instances.Answer, len(a.known))
	for id, k := range a.known {
		if k.answer != nil {
			all[id] = *k.answer
		}
	}
	return all
}

// follow asks those of the pods whose time has come, and forgets all others.
func (a *asker) follow(ctx context.Context, pods []*corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, there, next := time.Now(), map[types.UID]bool{}, time.Time{}
	for _, pod := range pods {
		there[pod.UID] = true
		if !answers(pod) {
			continue // what it said before holds
		}
		k := a.known[pod.UID]
		if ready := objects.IsReady(pod); k == nil || k.ready != ready {
			old := k
			k = &asked{ready: ready, due: now}
			if old != nil {
				k.answer, k.busy = old.answer, old.busy
				old.busy = false
			}
			a.known[pod.UID] = k
		}
		if !k.busy && !k.due.After(now) {
			a.ask(ctx, pod.UID, pod.Status.PodIP, k)
		}
		if !k.busy && (next.IsZero() || k.due.Before(next)) {
			next = k.due
		}
	}
	for id := range a.known {
		if !there[id] {
			delete(a.known, id)
		}
	}
	if !next.IsZero() {
		a.wake.Reset(max(time.Until(next), 0))
	}
}

// answers reports whether there is a bridge in the pod that may answer.
func answers(pod *corev1.Pod) bool {
	if pod.Labels[objects.LabelServer] != objects.ServerBridge || pod.DeletionTimestamp != nil || pod.Status.PodIP == "" {
		return false
	}
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.Name == objects.Container && c.State.Running != nil
	})
}

// ask asks in a goroutine of its own. The lock is held.
func (a *asker) ask(ctx context.Context, id types.UID, ip string, k *asked) {
	k.busy = true
	a.asks.Go(func() {
		select {
		case a.places <- struct{}{}:
			defer func() { <-a.places }()
		case <-ctx.Done():
			return
		}
		answer, err := a.get(ctx, ip)
		a.mu.Lock()
		defer a.mu.Unlock()
		now := a.known[id]
		if now == nil {
			return // the pod is gone
		}
		if now.busy = false; now != k {
			// Its readiness has changed since: it is asked again at once.
			now.due = time.Now()
		} else {
			now.due = time.Now().Add(pause(k.ready, answer, err))
		}
		if err == nil {
			now.answer = &answer
		}
		a.tell()
	})
}

// pause is how long an answer may be taken to hold.
func pause(ready bool, answer instances.Answer, err error) time.Duration {
	switch {
	case !ready:
		return askStarting
	case err == nil && answer.Tools == nil:
		return askUnknown
	}
	return askReady
}

// get asks once.
func (a *asker) get(ctx context.Context, ip string) (instances.Answer, error) {
	url := "http://" + net.JoinHostPort(ip, strconv.Itoa(a.port)) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return instances.Answer{}, fmt.Errorf("asking a bridge: %w", err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return instances.Answer{}, fmt.Errorf("asking a bridge: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return instances.Answer{}, fmt.Errorf("asking a bridge: %w", err)
	}
	return parse(text)
}

// parse reads what a bridge says, which runs with its server: so it is judged.
func parse(text []byte) (instances.Answer, error) {
	var said struct {
		State, Reason, Message string
		Restarts               int
		Tools                  []string
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return instances.Answer{}, fmt.Errorf("reading a bridge's answer: %w", err)
	}
	answer := instances.Answer{
		State: adapters.InstanceState(said.State), Reason: said.Reason, Message: said.Message, Restarts: max(0, said.Restarts), Tools: said.Tools,
	}
	switch answer.State {
	case adapters.InstanceStarting, adapters.InstanceReady, adapters.InstanceFailed, adapters.InstanceDraining:
		return answer, nil
	}
	return instances.Answer{}, errors.New("a bridge's answer has no known state")
}
