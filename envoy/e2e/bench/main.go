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
	Rounds      int           `default:"8" help:"Rounds for each size and number of connections (${default})."`
	Duration    time.Duration `default:"500ms" help:"How long each way is measured in a round (${default})."`
	Sizes       []int         `default:"200,65536" help:"Bytes there and back (${default})."`
	Connections []int         `help:"Numbers of connections (those that the measurement is made for)."`
	Calls       int           `default:"1000000" help:"Calls of the measurement of memory (${default})."`
	Adapters    int           `default:"10000" help:"How many the many adapters are (${default})."`
	Profile     string        `placeholder:"FILE" help:"Keep a CPU profile of extproc, of 30 seconds of the gateway's measurement (none)."`
}

// Validate names what is wrong.
func (c *Config) Validate() error {
	if c.Rounds < 1 || c.Duration < 10*time.Millisecond {
		return fmt.Errorf("at least one round of 10ms is needed")
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

// run makes all measurements and prints them as they come.
func run(ctx context.Context, cfg Config) error {
	for _, name := range cfg.Measure {
		measurement := map[string]func(context.Context, *stage) error{
			measureGateway: gatewayCost, measureBridge: bridgedCost, measureObservability: observabilityCost, measureMemory: memoryOverCalls, measureAdapters: manyAdapters,
		}[name]
		if err := onStage(ctx, cfg, measurement); err != nil {
			return fmt.Errorf("measuring %s: %w", name, err)
		}
	}
	return nil
}

// onStage sets a stage for one measurement.
func onStage(ctx context.Context, cfg Config, measurement func(context.Context, *stage) error) error {
	s, err := newStage(cfg)
	if err != nil {
		return err
	}
	defer s.close()
	return measurement(ctx, s)
}
