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
	// atATime is how many are on their way at a time.
	atATime = 4
	// beyond is how much longer than its pod an adapter may take to serve, for 99
	// of 100.
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
	var mu sync.Mutex
	var total, added []time.Duration
	var group errgroup.Group
	group.SetLimit(atATime)
	begin := time.Now()
	for i := range many {
		group.Go(func() error {
			name := fmt.Sprintf("many-%d", i)
			posted, served, err := serve(m, name)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			total = append(total, served.Sub(posted))
			added = append(added, served.Sub(h.readyAt(name)))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d adapters in %v, %d at a time", many, time.Since(begin).Round(time.Second), atATime)
	t.Logf("POST to served: %s", percentiles(total))
	t.Logf("pod ready to served: %s", percentiles(added))
	if p99 := at(added, 99); p99 > beyond {
		t.Errorf("99 of 100 adapters serve %v after their pods are ready, more than %v", p99, beyond)
	}
	rest(t)
}

// serve posts the adapter and asks until it serves.
func serve(m *harness.Mooring, name string) (posted, served time.Time, err error) {
	spec := harness.JSON(m, testServer(name, 1))
	posted = time.Now()
	answer, err := m.Do(http.MethodPost, "/adapters", spec, "Content-Type", "application/json")
	if err != nil || answer.Status != http.StatusCreated {
		return posted, served, fmt.Errorf("posting %s: status %d, error %v: %s", name, answer.Status, err, answer.Body)
	}
	// Often enough to measure by, and seldom enough not to be what is measured.
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for end := posted.Add(time.Minute); time.Now().Before(end); <-ticker.C {
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
	return all[min(len(all)-1, len(all)*p/100)]
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
		text, err := os.ReadFile(filepath.Join(folder, "stat"))
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		for _, ticks := range fields[11:13] { // utime and stime
			n, err := strconv.ParseFloat(ticks, 64)
			if err != nil {
				t.Fatal(err)
			}
			used[pod] += n / 100
		}
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
