package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// account is the processor time that was used until some moment, in seconds: by
// program of the lab, of the whole machine, and left over.
type account struct {
	programs   map[string]float64
	used, idle float64
}

// opened is the account of now.
func opened(t *testing.T) account {
	t.Helper()
	a := account{programs: map[string]float64{"this test": seconds(t, fmt.Sprintf("/proc/%d", os.Getpid()))}}
	list, err := os.ReadFile(filepath.Join(lab.state, "run", "pids"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		// The nodes are namespaces; what runs in them is in pods, or seldom at work.
		if fields := strings.Fields(line); !strings.HasPrefix(fields[0], "node-") {
			a.programs[fields[0]] = seconds(t, "/proc/"+fields[1])
		}
	}
	for program, part := range map[string]string{"xds": "xds", "envoy": "envoy", "extproc": "envoy"} {
		for _, pod := range podsOf(t, release, component(part)) {
			for _, pid := range processes(t, pod, program) {
				a.programs[program] += seconds(t, fmt.Sprintf("/proc/%d", pid))
			}
		}
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, ticks := range strings.Fields(line)[1:9] {
		if i == 3 || i == 4 { // idle, and waiting for disks
			a.idle += fromTicks(t, ticks)
		} else {
			a.used += fromTicks(t, ticks)
		}
	}
	return a
}

// since says who used the processors after before.
func (a account) since(before account) string {
	var parts []string
	known := 0.0
	for _, program := range slices.Sorted(maps.Keys(a.programs)) {
		spent := a.programs[program] - before.programs[program]
		known += spent
		parts = append(parts, fmt.Sprintf("%s %.1f", program, spent))
	}
	used, idle := a.used-before.used, a.idle-before.idle
	return fmt.Sprintf("%s, all else %.1f, idle %.1f", strings.Join(parts, ", "), used-known, idle)
}

// seconds is the processor time of the process in that folder.
func seconds(t *testing.T, folder string) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	return fromTicks(t, fields[11]) + fromTicks(t, fields[12]) // utime and stime
}

func fromTicks(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n / 100
}

// programming is what each xds has measured of how long changes take to be with all
// Envoys: how many took no longer than so many seconds, by pod.
func programming(t *testing.T) map[string]map[float64]uint64 {
	t.Helper()
	all := map[string]map[float64]uint64{}
	for _, pod := range podsOf(t, release, component("xds")) {
		all[pod.Name] = buckets(metrics(t, pod.Status.PodIP+":9091")["mooring_xds_programming_seconds"])
	}
	return all
}

func buckets(family *dto.MetricFamily) map[float64]uint64 {
	counts := map[float64]uint64{}
	for _, m := range family.GetMetric() {
		for _, bucket := range m.GetHistogram().GetBucket() {
			counts[bucket.GetUpperBound()] = bucket.GetCumulativeCount()
		}
	}
	return counts
}

// within is the bound that so many of 100 of what was measured after before did not
// pass, in seconds, and how many that was.
func within(now, before map[float64]uint64, share uint64) (bound float64, all uint64) {
	bounds := slices.Sorted(maps.Keys(now))
	if len(bounds) == 0 {
		return 0, 0
	}
	last := bounds[len(bounds)-1]
	all = now[last] - before[last]
	for _, bound = range bounds {
		if 100*(now[bound]-before[bound]) >= share*all {
			break
		}
	}
	return bound, all
}
