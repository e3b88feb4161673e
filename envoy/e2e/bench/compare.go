package main

import (
	"context"
	"fmt"
	"runtime"
)

// comparison is of some ways, and what they did.
type comparison struct {
	// title stands above it. Empty means none.
	title string
	ways  []way
	// with are the names of those that the others are compared with.
	with   []string
	tables []table
	// more tells more of each table. Nil means that nothing does.
	more func([]measured)
}

// table is what the ways did with calls of one size on so many connections.
type table struct {
	size, connections int
	ways              []measured
}

// compare measures all ways for all sizes and numbers of connections.
func (s *stage) compare(ctx context.Context, ways []way, with []string, connections []int) (comparison, error) {
	if len(s.cfg.Connections) > 0 {
		connections = s.cfg.Connections
	}
	c := comparison{ways: ways, with: with}
	for _, w := range ways {
		if err := await(ctx, w); err != nil {
			return comparison{}, err
		}
	}
	for _, size := range s.cfg.Sizes {
		for _, n := range connections {
			all, closeAll, err := connect(ctx, ways, size, n)
			if err != nil {
				return comparison{}, err
			}
			results, err := measure(ctx, s.cfg, all)
			closeAll()
			if err != nil {
				return comparison{}, err
			}
			c.tables = append(c.tables, table{size, n, results})
		}
	}
	return c, nil
}

// add adds what the same ways did after another start.
func (c *comparison) add(other comparison) {
	for i, t := range other.tables {
		for k, m := range t.ways {
			c.tables[i].ways[k].starts = append(c.tables[i].ways[k].starts, m.starts...)
		}
	}
}

// print prints all tables.
func (c comparison) print(cfg Config) {
	if c.title != "" {
		fmt.Printf("\n%s\n", c.title)
	}
	starts := len(c.tables[0].ways[0].starts)
	fmt.Printf("\n%d CPUs, %d starts, after each %d rounds of %v for each way; CPU-seconds for 1,000 calls and memory are those of the parts in brackets\n",
		runtime.NumCPU(), starts, len(c.tables[0].ways[0].starts[0].rounds), cfg.Duration)
	for _, w := range c.ways {
		fmt.Printf("  %-13s %s\n", w.name, w.what)
	}
	for _, t := range c.tables {
		fmt.Printf("\ntools/call, %d B there and back, %d connections\n", t.size, t.connections)
		report(t.ways, c.with)
		if c.more != nil {
			c.more(t.ways)
		}
	}
}
