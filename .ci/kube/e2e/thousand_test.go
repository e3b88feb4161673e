package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

const (
	// many is how many adapters there are in the end.
	many = 1000
	// atATime is how many are on their way at a time while they are filled in, back to
	// back: how long each takes then is how busy the machine is. They are asked seldom,
	// so as not to be what keeps it busy.
	atATime   = 16
	askSeldom = 500 * time.Millisecond
	// paced is how many are posted after that, one each pace: how long each takes is
	// how long Mooring and Kubernetes take among a thousand.
	paced = 100
	pace  = time.Second
	// askOften is how often those are asked, and so how exact their times are.
	askOften = 50 * time.Millisecond
	// beyond is how much longer than its pod needs to start an adapter may take to
	// serve, for 99 of 100 of those.
	beyond = 2 * time.Second
	// resting is how long nothing happens.
	resting = time.Minute
	// restRequests is how much the control plane may ask of the API in that time:
	// the lease of the leader every few seconds, and what watches need to go on.
	restRequests = 120
)

// TestThousand fills a node that starts pods at once, and measures what Mooring
// adds to that. `make bench-k8s` runs it on a lab of its own.
func TestThousand(t *testing.T) {
	m := gateway(t)
	h := newHollow(t)
	t.Cleanup(func() {
		if _, err := tryKubectl(context.WithoutCancel(t.Context()), "", "delete", "mcpa", "--all", "--namespace", adapters, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	post(t, m, h, "many", many, 0)
	// What the last of them have set off is over.
	rest(t)
	if p99 := at(post(t, m, h, "paced", paced, pace).beyond, 99); p99 > beyond {
		t.Errorf("99 of 100 adapters serve %v later than their pods need to start, more than %v", p99, beyond)
	}
}

// times are how long adapters took.
type times struct {
	mu sync.Mutex
	// total is from POST to the first answer; bound from POST until Kubernetes has
	// given the pod to a node; served from when the pod is ready; and beyond is total
	// without the time that the node takes to start the pod.
	total, bound, served, beyond []time.Duration
}

// post posts n adapters, one each pace, or without one atATime, and logs how long they
// took and who worked how much for it.
func post(t *testing.T, m *harness.Mooring, h *hollow, name string, n int, pace time.Duration) *times {
	t.Helper()
	var took times
	var group errgroup.Group
	ask := askOften
	if pace == 0 {
		group.SetLimit(atATime)
		ask = askSeldom
	}
	begin, before, programmed := time.Now(), opened(t), programming(t)
	for i := range n {
		if pace > 0 {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * pace))) // the pace is what is wanted
		}
		group.Go(func() error {
			name := fmt.Sprintf("%s-%d", name, i)
			posted, served, err := serve(m, name, ask)
			if err == nil {
				took.add(posted, served, h.lifeOf(name))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	load, _ := os.ReadFile("/proc/loadavg")
	t.Logf("%s: %d adapters in %v; load of the machine %s", name, n, time.Since(begin).Round(time.Second), strings.TrimSpace(string(load)))
	t.Logf("POST to served: %s", percentiles(took.total))
	t.Logf("POST to pod on a node: %s", percentiles(took.bound))
	t.Logf("pod ready to served: %s", percentiles(took.served))
	t.Logf("POST to served, less the pod's own start: %s", percentiles(took.beyond))
	t.Logf("processor seconds: %s", opened(t).since(before))
	for pod, now := range programming(t) {
		p50, changes := within(now, programmed[pod], 50)
		p99, _ := within(now, programmed[pod], 99)
		t.Logf("%s: %d changes were with all Envoys within: p50 %v s, p99 %v s", pod, changes, p50, p99)
	}
	return &took
}

func (took *times) add(posted, served time.Time, pod life) {
	took.mu.Lock()
	defer took.mu.Unlock()
	took.total = append(took.total, served.Sub(posted))
	took.bound = append(took.bound, pod.bound.Sub(posted))
	took.served = append(took.served, served.Sub(pod.ready))
	took.beyond = append(took.beyond, served.Sub(posted)-pod.ready.Sub(pod.bound))
}

// serve posts the adapter and asks as often until it serves.
func serve(m *harness.Mooring, name string, often time.Duration) (posted, served time.Time, err error) {
	spec := harness.JSON(m, testServer(name, 1))
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	posted = time.Now()
	end := posted.Add(2 * time.Minute)
	answer, err := m.Do(http.MethodPost, "/adapters", spec, "Content-Type", "application/json")
	// On a machine that is too busy a control plane may be out of reach for a moment:
	// the client tries again, and that is part of what it waits for.
	for err == nil && answer.Status == http.StatusServiceUnavailable && time.Now().Before(end) {
		<-ticker.C
		answer, err = m.Do(http.MethodPost, "/adapters", spec, "Content-Type", "application/json")
		if answer.Status == http.StatusConflict {
			answer.Status = http.StatusCreated // by the try before
		}
	}
	if err != nil || answer.Status != http.StatusCreated {
		return posted, served, fmt.Errorf("posting %s: status %d, error %v: %s", name, answer.Status, err, answer.Body)
	}
	for ; time.Now().Before(end); <-ticker.C {
		answer, err = m.Do(http.MethodPost, "/adapters/"+name+"/mcp",
			`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}`,
			"Content-Type", "application/json", "Accept", "application/json, text/event-stream")
		if err == nil && answer.Status == http.StatusOK {
			return posted, time.Now(), nil
		}
	}
	return posted, served, fmt.Errorf("%s never served: status %d, error %v: %s", name, answer.Status, err, answer.Body)
}

// at is the value that p of 100 are not above.
func at(all []time.Duration, p int) time.Duration {
	slices.Sort(all)
	return all[max(0, (len(all)*p+99)/100-1)]
}

func percentiles(all []time.Duration) string {
	return fmt.Sprintf("p50 %v, p99 %v, most %v", at(all, 50).Round(time.Millisecond), at(all, 99).Round(time.Millisecond), at(all, 100).Round(time.Millisecond))
}

// rest watches the control plane while nothing happens.
func rest(t *testing.T) {
	t.Helper()
	pause := time.NewTimer(resting)
	before, used := len(requests(t, "system:serviceaccount:"+release+":")), processorTime(t)
	select {
	case <-t.Context().Done():
	case <-pause.C: // a rate is measured: there is nothing to wait for
	}
	asked := len(requests(t, "system:serviceaccount:"+release+":")) - before
	t.Logf("at rest: %d requests to the API in %v", asked, resting)
	if asked > restRequests {
		t.Errorf("that is more than %d", restRequests)
	}
	now := processorTime(t)
	for pod, seconds := range now {
		t.Logf("%s: %.1f%% of a processor at rest, %.1f s since its start, %d MiB resident", pod,
			100*(seconds-used[pod])/resting.Seconds(), seconds, resident(t, pod))
	}
}

// processorTime is what each xds used since its start, in seconds, by pod.
func processorTime(t *testing.T) map[string]float64 {
	t.Helper()
	used := map[string]float64{}
	for pod, folder := range controlPlanes(t) {
		used[pod] = seconds(t, folder)
	}
	return used
}

// resident is how much memory xds has in the pod, in MiB.
func resident(t *testing.T, pod string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(controlPlanes(t)[pod], "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	return 0
}

// controlPlanes are the folders in /proc of each xds, by pod.
func controlPlanes(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pod := range podsOf(t, release, component("xds")) {
		for _, pid := range processes(t, pod, "xds") {
			found[pod.Name] = fmt.Sprintf("/proc/%d", pid)
		}
	}
	return found
}
