package main

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLoadChecksAnswers measures the server directly, which needs no program.
func TestLoadChecksAnswers(t *testing.T) {
	server, err := startBackend()
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	direct := way{name: "direct", url: "http://" + server.addr() + "/mcp", parts: []part{{"self", os.Getpid()}}}
	all, closeAll, err := connect(t.Context(), []way{direct, direct}, 70_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	results, err := measure(t.Context(), Config{Rounds: 2, Duration: 20 * time.Millisecond}, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if len(r.starts) != 1 || len(r.starts[0].rounds) != 2 || r.rate() <= 0 || r.starts[0].memory[0] == 0 || mean(sharesOf(r, r)) != 1 {
			t.Errorf("measured %+v", r)
		}
	}
	if err := loadCalls(t.Context(), all[0], 10*calls); err != nil {
		t.Error(err)
	}
	c := all[0].clients[0]
	c.text = []byte(`"}}} is no text that the server gives back`)
	if _, err := c.echo(); err == nil {
		t.Error("a wrong answer passes")
	}
}

func TestServerRefusesWhatIsNotOfItsClients(t *testing.T) {
	var out bytes.Buffer
	if _, _, err := respond(&out, "POST", []byte(`{"id":1,"method":"other"}`)); err == nil {
		t.Error("an unknown method is answered")
	}
	if status, _, err := respond(&out, "GET", nil); status != 405 || err != nil {
		t.Errorf("a GET is answered with %d, %v", status, err)
	}
}

func TestPercentile(t *testing.T) {
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(i+1)*time.Millisecond)
	}
	if p50, p99 := percentile(all, 50), percentile(all, 99); p50 != 50*time.Millisecond || p99 != 99*time.Millisecond {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
	if even, odd := median([]float64{4, 1, 3, 2}), median([]float64{9, 1, 2}); even != 2.5 || odd != 2 {
		t.Errorf("medians %v and %v", even, odd)
	}
}

// TestShares: each round is compared with the same round of the other way, so that
// one that was disturbed does not count more; each start counts as much as another.
func TestShares(t *testing.T) {
	of := func(starts ...[]int) measured {
		m := measured{}
		for _, rounds := range starts {
			var at started
			for _, s := range rounds {
				took := time.Duration(s) * time.Second
				at.rounds = append(at.rounds, sample{elapsed: took, latencies: make([]time.Duration, 10), cpu: []time.Duration{took, took}})
			}
			m.starts = append(m.starts, at)
		}
		return m
	}
	base, other := of([]int{1, 1, 9}, []int{3, 3, 3}), of([]int{2, 2, 9}, []int{3, 3, 3})
	if got := sharesOf(other, base); !slices.Equal(got, []float64{.5, 1}) {
		t.Errorf("shares %v of the throughput", got)
	}
	if got := spentShares(other, base); !slices.Equal(got, []float64{2, 1}) {
		t.Errorf("%v times the CPU time", got)
	}
	if got := mean([]float64{.5, 1}); got != .75 {
		t.Errorf("the mean is %v", got)
	}
}

// TestStartsAddUp: what was found after each start is of one table.
func TestStartsAddUp(t *testing.T) {
	after := func(memory int64) comparison {
		m := measured{way: way{name: "a", parts: []part{{"self", 1}}}}
		m.starts = []started{{rounds: []sample{{elapsed: time.Second, latencies: make([]time.Duration, 10), cpu: []time.Duration{time.Second}}}, memory: []int64{memory}}}
		return comparison{tables: []table{{1, 1, []measured{m}}}}
	}
	c := after(1 << 20)
	c.add(after(3 << 20))
	c.add(after(2 << 20))
	m := c.tables[0].ways[0]
	if got, want := m.costs(), "100.000 (self 100.000); self 3 MiB"; len(m.starts) != 3 || m.rate() != 10 || got != want {
		t.Errorf("%d starts, %v calls a second, %q", len(m.starts), m.rate(), got)
	}
}

// TestSpread: all connections together call as many adapters as they should.
func TestSpread(t *testing.T) {
	for _, c := range []struct{ count, called int }{{10, 10}, {10_000, 10}, {10_000, 2560}, {100, 100}} {
		used := map[string]bool{}
		for client := range growthConnections {
			paths := spread(client, c.count, c.called)
			if len(paths) != sessionsEach {
				t.Fatalf("%d sessions", len(paths))
			}
			for _, path := range paths {
				used[path] = true
			}
		}
		if len(used) != c.called || !used[endpoint("bench-0")] || used[endpoint(nameOf(c.count))] {
			t.Errorf("%d of %d adapters are called, want %d", len(used), c.count, c.called)
		}
	}
}

func TestChildrenOf(t *testing.T) {
	children, err := childrenOf(os.Getppid())
	if err != nil || !slices.Contains(children, os.Getpid()) {
		t.Errorf("children %v, error %v", children, err)
	}
}
