// Command bench compares tools/call through Mooring with the same call through
// plain Envoy, through plain Envoy and a bridge, and without anything between,
// in interleaved rounds of one run. Every answer is checked. Load generator and
// server run on the same machine as what is measured, so that the ratios mean
// more than the numbers.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/alecthomas/kong"
)

// Config is what the flags say.
type Config struct {
	Programs string        `required:"" type:"existingdir" help:"Folder of the built programs."`
	Envoy    string        `required:"" type:"existingfile" help:"Envoy to run."`
	Rounds   int           `default:"5" help:"Rounds for each size and number of connections."`
	Duration time.Duration `default:"1s" help:"How long each way is measured in a round."`
}

// Validate names what is wrong.
func (c *Config) Validate() error {
	if c.Rounds < 1 || c.Duration < 10*time.Millisecond {
		return fmt.Errorf("at least one round of 10ms is needed")
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

// run measures all scenarios and prints them as they come.
func run(ctx context.Context, cfg Config) error {
	backend, err := startBackend()
	if err != nil {
		return err
	}
	defer backend.Close()
	s, err := newStage(cfg)
	if err != nil {
		return err
	}
	defer s.close()
	ways, err := s.ways(ctx, backend.Addr())
	if err != nil {
		return err
	}
	fmt.Printf("%d CPUs, %d rounds of %v for each way; CPU is that of the processes in brackets\n",
		runtime.NumCPU(), cfg.Rounds, cfg.Duration)
	for _, w := range ways {
		fmt.Printf("  %-13s %s\n", w.name, w.what)
	}
	for _, size := range []int{200, 64 << 10} {
		for _, connections := range []int{1, 32} {
			results, err := measure(ctx, cfg, ways, size, connections)
			if err != nil {
				return err
			}
			report(size, connections, ways, results)
		}
	}
	return nil
}
