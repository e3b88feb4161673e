package main

import (
	"slices"
	"time"
)

// chosen are the subjects that the flags ask for, without those left out.
func chosen(cfg Config, all []subject, without ...string) []subject {
	var some []subject
	for _, sub := range all {
		if !slices.Contains(without, sub.name) && (len(cfg.Only) == 0 || slices.Contains(cfg.Only, sub.name)) {
			some = append(some, sub)
		}
	}
	return some
}

func childOf(sub subject) string {
	switch {
	case sub.name == direct:
		return "-"
	case sub.shared:
		return "one"
	}
	return "each"
}

// median is of at least one value.
func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

func medianOf(rounds []round, value func(round) float64) float64 {
	var all []float64
	for _, r := range rounds {
		all = append(all, value(r))
	}
	return median(all)
}

// shown is a duration in nanoseconds, short.
func shown(ns float64) string {
	d := time.Duration(ns)
	if d > 10*time.Millisecond {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// mib is bytes in MiB.
func mib(n int64) float64 { return float64(n) / (1 << 20) }
