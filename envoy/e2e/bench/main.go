// Command bench measures what Mooring costs: tools/call through it, compared
// with the same call through plain Envoy and without anything between, in
// interleaved rounds of one run. Every answer is checked. Load generator and
// server run on the same machine as what is measured, so that the ratios mean
// more than the numbers.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/alecthomas/kong"
)

// The measurements.
const (
	measureGateway       = "gateway"
	measureBridge        = "bridge"
	measureObservability = "observability"
	measureMemory        = "memory"
	measureAdapters      = "adapters"
)

// Config is what the flags say.
type Config struct {
	Programs    string        `required:"" type:"existingdir" help:"Folder of the built programs."`
	Plane       string        `required:"" type:"existingfile" help:"The built program xds/internal/benchplane."`
	Envoy       string        `required:"" type:"existingfile" help:"Envoy to run."`
	Measure     []string      `default:"gateway,bridge,observability" enum:"gateway,bridge,observability,memory,adapters" help:"What to measure: the gateway's own cost, all with a bridge, what it costs that requests are told of, memory over many calls, many adapters (${default})."`
	Starts      int           `default:"4" help:"How often all is started anew; memory and many adapters are measured after one start (${default})."`
	Rounds      int           `default:"3" help:"Rounds after each start, for each size and number of connections (${default})."`
	Duration    time.Duration `default:"500ms" help:"How long each way is measured in a round (${default})."`
	Sizes       []int         `default:"200,65536" help:"Bytes there and back (${default})."`
	Connections []int         `help:"Numbers of connections (those that the measurement is made for)."`
	Calls       int           `default:"1000000" help:"Calls of the measurement of memory (${default})."`
	Adapters    int           `default:"10000" help:"How many the many adapters are (${default})."`
	Profile     string        `placeholder:"FILE" help:"Keep a CPU profile of extproc, of 30 seconds of the gateway's measurement after its only start (none)."`
}

// Validate names what is wrong.
func (c *Config) Validate() error {
	if c.Starts < 1 || c.Rounds < 1 || c.Duration < 10*time.Millisecond {
		return fmt.Errorf("at least one start and one round of 10ms are needed")
	}
	if c.Profile != "" && c.Starts != 1 {
		return fmt.Errorf("a profile is of one process: ask for --starts 1")
	}
	if c.Calls < calls || c.Adapters < 1 {
		return fmt.Errorf("at least %d calls and an adapter are needed", calls)
	}
	if len(c.Sizes) == 0 || slices.Min(c.Sizes) < 1 || len(c.Connections) > 0 && slices.Min(c.Connections) < 1 {
		return fmt.Errorf("sizes and numbers of connections must be positive")
	}
	return nil
}

func main() {
	var cfg Config
	parsed := kong.Parse(&cfg, kong.Name("bench"), kong.Description("Compare Mooring with plain Envoy."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	parsed.FatalIfErrorf(run(ctx, cfg))
}

// measurement is made on a stage of its own, again and again. What it does not
// return it prints by itself.
type measurement func(context.Context, *stage) ([]comparison, error)

// run makes all measurements and prints each when it is complete.
func run(ctx context.Context, cfg Config) error {
	for _, name := range cfg.Measure {
		made, starts := measurement(nil), cfg.Starts
		switch name {
		case measureGateway:
			made = gatewayCost
		case measureBridge:
			made = bridgedCost
		case measureObservability:
			made = observabilityCost
		case measureMemory:
			made, starts = memoryOverCalls, 1
		case measureAdapters:
			made, starts = manyAdapters, 1
		}
		if err := again(ctx, cfg, name, made, starts); err != nil {
			return fmt.Errorf("measuring %s: %w", name, err)
		}
	}
	return nil
}

// again makes a measurement after so many starts, and prints what they say
// together.
func again(ctx context.Context, cfg Config, name string, made measurement, starts int) error {
	var all []comparison
	for i := range starts {
		fmt.Fprintf(os.Stderr, "bench: %s, start %d of %d\n", name, i+1, starts)
		found, err := onStage(ctx, cfg, made)
		if err != nil {
			return err
		}
		if all == nil {
			all = found
			continue
		}
		for k := range all {
			all[k].add(found[k])
		}
	}
	for _, c := range all {
		c.print(cfg)
	}
	return nil
}

// onStage sets a stage for one start of a measurement.
func onStage(ctx context.Context, cfg Config, made measurement) ([]comparison, error) {
	s, err := newStage(cfg)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return made(ctx, s)
}
