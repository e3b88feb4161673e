package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report prints one table. The ratios are medians of those of each round, so
// that a round that the machine disturbed counts as one.
func report(results []measured, with []string) {
	fmt.Printf("  %-13s %9s %9s %9s", "", "calls/s", "p50", "p99")
	for _, name := range with {
		fmt.Printf(" %14s %9s", "/ "+name, "p50 +")
	}
	fmt.Printf("  %s\n", "CPU-s/1000; memory")
	for _, r := range results {
		all := r.latencies()
		fmt.Printf("  %-13s %9.0f %9s %9s", r.name, r.rate(), percentile(all, 50), percentile(all, 99))
		for _, name := range with {
			base := results[slices.IndexFunc(results, func(r measured) bool { return r.name == name })]
			fmt.Printf(" %14.2f %9s", ratio(r, base), percentile(all, 50)-percentile(base.latencies(), 50))
		}
		fmt.Printf("  %s\n", r.costs())
	}
}

// latencies are those of all rounds, sorted.
func (m measured) latencies() []time.Duration {
	var all []time.Duration
	for _, s := range m.rounds {
		all = append(all, s.latencies...)
	}
	slices.Sort(all)
	return all
}

// rate is the median of calls per second.
func (m measured) rate() float64 {
	rates := make([]float64, 0, len(m.rounds))
	for _, s := range m.rounds {
		rates = append(rates, s.rate())
	}
	return median(rates)
}

// ratio is the median of m's share of base's throughput in the same round.
func ratio(m, base measured) float64 {
	ratios := make([]float64, 0, len(m.rounds))
	for i, s := range m.rounds {
		ratios = append(ratios, s.rate()/base.rounds[i].rate())
	}
	return median(ratios)
}

// spent is the CPU time of all parts for a call of the round, in seconds.
func (s sample) spent() float64 {
	var total time.Duration
	for _, spent := range s.cpu {
		total += spent
	}
	return total.Seconds() / float64(max(len(s.latencies), 1))
}

// spentRatio is the median of m's CPU time for a call as a share of base's in the
// same round.
func spentRatio(m, base measured) float64 {
	ratios := make([]float64, 0, len(m.rounds))
	for i, s := range m.rounds {
		ratios = append(ratios, s.spent()/base.rounds[i].spent())
	}
	return median(ratios)
}

// costs are CPU time, as the medians of all rounds, and memory of each part.
func (m measured) costs() string {
	if len(m.parts) == 0 {
		return "-"
	}
	var total float64
	var each []string
	for i, p := range m.parts {
		var rounds []float64
		for _, s := range m.rounds {
			rounds = append(rounds, s.cpu[i].Seconds()*1000/float64(max(len(s.latencies), 1)))
		}
		seconds := median(rounds)
		total += seconds
		each = append(each, fmt.Sprintf("%s %.3f", p.name, seconds))
	}
	return fmt.Sprintf("%.3f (%s); %s", total, strings.Join(each, ", "), eachMemory(m.parts, m.memory))
}

// eachMemory are the sizes of the parts in memory.
func eachMemory(parts []part, memory []int64) string {
	var each []string
	for i, p := range parts {
		each = append(each, fmt.Sprintf("%s %d MiB", p.name, memory[i]>>20))
	}
	return strings.Join(each, ", ")
}

func median(values []float64) float64 {
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// percentile is of sorted values, of which there is at least one.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)-1)*p/100].Round(time.Microsecond)
}
