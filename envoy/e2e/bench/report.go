package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report prints one table. Numbers are means over all starts of the medians of
// their rounds, ratios those of ratios within each round: a round that the machine
// disturbed counts as one, and how fast a process is by the chance of its start
// counts as it comes, since the same program is faster after some starts than
// after others, by a tenth and for as long as it runs.
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
			fmt.Printf(" %14.2f %9s", mean(sharesOf(r, base)), percentile(all, 50)-percentile(base.latencies(), 50))
		}
		fmt.Printf("  %s\n", r.costs())
	}
}

// latencies are those of all rounds, sorted.
func (m measured) latencies() []time.Duration {
	var all []time.Duration
	for _, start := range m.starts {
		for _, s := range start.rounds {
			all = append(all, s.latencies...)
		}
	}
	slices.Sort(all)
	return all
}

// medians are those of the rounds of each start.
func (m measured) medians(of func(start, round int) float64) []float64 {
	var all []float64
	for start := range m.starts {
		var rounds []float64
		for round := range m.starts[start].rounds {
			rounds = append(rounds, of(start, round))
		}
		all = append(all, median(rounds))
	}
	return all
}

// rate is calls per second.
func (m measured) rate() float64 {
	return mean(m.medians(func(start, round int) float64 { return m.starts[start].rounds[round].rate() }))
}

// sharesOf are m's shares of base's throughput, after each start.
func sharesOf(m, base measured) []float64 {
	return m.medians(func(start, round int) float64 {
		return m.starts[start].rounds[round].rate() / base.starts[start].rounds[round].rate()
	})
}

// spent is the CPU time of all parts for a call of the round, in seconds.
func (s sample) spent() float64 {
	var total time.Duration
	for _, spent := range s.cpu {
		total += spent
	}
	return total.Seconds() / float64(max(len(s.latencies), 1))
}

// spentShares are m's CPU times for a call as shares of base's, after each start.
func spentShares(m, base measured) []float64 {
	return m.medians(func(start, round int) float64 {
		return m.starts[start].rounds[round].spent() / base.starts[start].rounds[round].spent()
	})
}

// costs are CPU time, and the most memory that each part had after any start.
func (m measured) costs() string {
	if len(m.parts) == 0 {
		return "-"
	}
	var total float64
	var each []string
	memory := make([]int64, len(m.parts))
	for i, p := range m.parts {
		seconds := mean(m.medians(func(start, round int) float64 {
			s := m.starts[start].rounds[round]
			return s.cpu[i].Seconds() * 1000 / float64(max(len(s.latencies), 1))
		}))
		total += seconds
		each = append(each, fmt.Sprintf("%s %.3f", p.name, seconds))
		for _, start := range m.starts {
			memory[i] = max(memory[i], start.memory[i])
		}
	}
	return fmt.Sprintf("%.3f (%s); %s", total, strings.Join(each, ", "), eachMemory(m.parts, memory))
}

// eachMemory are the sizes of the parts in memory.
func eachMemory(parts []part, memory []int64) string {
	var each []string
	for i, p := range parts {
		each = append(each, fmt.Sprintf("%s %d MiB", p.name, memory[i]>>20))
	}
	return strings.Join(each, ", ")
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
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
