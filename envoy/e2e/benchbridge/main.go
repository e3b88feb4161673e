// Command benchbridge compares the bridge with other programs that put a stdio
// server on the network, in interleaved rounds of one run. Behind all is one
// echo server, this program itself, written with the Go SDK; the base is the
// same server as it serves streamable HTTP by itself. Every answer is checked.
// Load generator and servers share the machine: believe the ratios.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"time"

	"github.com/alecthomas/kong"
)

// Config is what the flags say.
type Config struct {
	Bridge      string        `required:"" type:"existingfile" help:"The built bridge."`
	Others      string        `type:"path" help:"Folder of the other bridges; those that are not there are left out."`
	Parts       []string      `default:"calls,memory,kill,starts" enum:"calls,memory,kill,starts" help:"What to measure."`
	Only        []string      `sep:"none" help:"Names of the ways to measure; all without it."`
	Rounds      int           `default:"20" help:"Rounds for each number of connections."`
	Duration    time.Duration `default:"500ms" help:"How long each way is measured in a round."`
	Connections []int         `default:"1,64" help:"Numbers of connections, each with a session of its own."`
	Sessions    int           `default:"50" help:"Sessions that are open when memory is measured."`
	Package     string        `default:"@modelcontextprotocol/server-everything" help:"npm package for session starts and the memory of npx servers."`
}

// Validate names what is wrong.
func (c *Config) Validate() error {
	if c.Rounds < 1 || c.Duration < 10*time.Millisecond || c.Sessions < 1 {
		return fmt.Errorf("at least one round of 10ms and one session are needed")
	}
	return nil
}

func main() {
	if serves, err := serve(os.Args[1:]); serves {
		if err != nil {
			fmt.Fprintln(os.Stderr, "benchbridge:", err)
			os.Exit(1)
		}
		return
	}
	var cfg Config
	parsed := kong.Parse(&cfg, kong.Name("benchbridge"), kong.Description("Compare the bridge with others."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	parsed.FatalIfErrorf(run(ctx, cfg))
}

// run measures and prints each part as it is done.
func run(ctx context.Context, cfg Config) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	fmt.Printf("%d CPUs, %s\n\n", runtime.NumCPU(), runtime.Version())
	parts := []struct {
		name    string
		measure func(context.Context, Config, []subject) error
		command []string
	}{
		{"calls", measureCalls, []string{self, modeStdio}},
		{"memory", measureMemory, []string{self, modeStdio}},
		{"kill", measureKill, []string{self, modeStdio}},
		{"starts", measureStarts, []string{"npx", "-y", cfg.Package}},
	}
	for _, part := range parts {
		if !slices.Contains(cfg.Parts, part.name) {
			continue
		}
		if err := part.measure(ctx, cfg, subjects(cfg, self, part.command)); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}
