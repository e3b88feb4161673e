package probe

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// maxNPMLog is how much of the end of one of npm's logs is read.
const maxNPMLog = 512 << 10

// How long npm may be refused by, and hear nothing from, where it fetches
// packages, before the server is started with what was fetched earlier.
const (
	refusedPatience = 3 * time.Second
	silentPatience  = 15 * time.Second
)

// npm writes a log of each of its runs, and says there what it keeps to itself
// otherwise: which package it is at, and whose install script failed. The
// patterns are those of npm 9 to 11.
var (
	npmFetched = regexp.MustCompile(`^\d+ http fetch GET 200 \S+?(\.tgz)? `)
	npmFailed  = regexp.MustCompile(`^\d+ http fetch GET \S+ attempt \d+ failed `)
	npmScript  = regexp.MustCompile(`^\d+ info run (\S+) (\S+) (\{ code: (\d+))?`)
)

// npmRun is what npm's logs say of its newest run.
type npmRun struct {
	begun    bool   // there is a log
	failures int    // requests that failed and are tried again
	known    int    // packages whose versions were looked up
	fetched  int    // packages that were downloaded
	running  string // the script that runs now: "the install script of x@1"
	failed   string // the script that failed, in the same words, and its code
}

// readNPM reads the logs in the folder. Where there are none, nothing is said.
func readNPM(dir string) npmRun {
	var run npmRun
	if dir == "" {
		return run
	}
	// The only error is one of the pattern.
	files, _ := filepath.Glob(filepath.Join(dir, "*-debug-*.log"))
	for _, file := range files {
		run.begun = true
		run.read(tailOf(file))
	}
	return run
}

func (n *npmRun) read(log []byte) {
	for line := range bytes.Lines(log) {
		if found := npmFetched.FindSubmatch(line); found != nil {
			if len(found[1]) > 0 {
				n.fetched++
			} else {
				n.known++
			}
			continue
		}
		if npmFailed.Match(line) {
			n.failures++
			continue
		}
		found := npmScript.FindSubmatch(line)
		if found == nil {
			continue
		}
		script := fmt.Sprintf("the %s script of the package %s", found[2], found[1])
		switch code := string(found[4]); code {
		case "":
			n.running = script
		case "0":
			n.running = ""
		default:
			n.running, n.failed = "", script+" failed with code "+code
		}
	}
}

// unanswered reports whether npm has run for that long and no registry has
// answered it. It would go on trying for more than a minute.
func (n npmRun) unanswered(since time.Duration) bool {
	if !n.begun || n.known+n.fetched > 0 {
		return false
	}
	return n.failures > 0 && since > refusedPatience || since > silentPatience
}

// activity is a clause that says what npm does now, or nothing.
func (n npmRun) activity() string {
	switch {
	case n.running != "":
		return "; npm runs " + n.running
	case n.fetched > 0:
		return fmt.Sprintf("; npm has fetched %d packages", n.fetched)
	case n.known > 0:
		return fmt.Sprintf("; npm has looked up %d packages", n.known)
	}
	return ""
}

// cause is a clause to put before how the command ended, or nothing.
func (n npmRun) cause() string {
	if n.failed == "" {
		return ""
	}
	return "npm could not install the server: " + n.failed + "; "
}

// tailOf is the end of the file in whole lines, and empty where it cannot be
// read: npm's logs are a help, and nothing depends on them.
func tailOf(file string) []byte {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	from := max(0, info.Size()-maxNPMLog)
	text, err := io.ReadAll(io.NewSectionReader(f, from, maxNPMLog))
	if err != nil {
		return nil
	}
	if from > 0 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}

// emptyFolder makes the folder and removes what is in it, so that only the next
// run's logs are found there.
func emptyFolder(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("emptying the folder for npm's logs: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder for npm's logs: %w", err)
	}
	return nil
}

// telling keeps the lines that say something about a failure: compilers and
// package tools write many that do not.
func telling(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if !strings.HasPrefix(line, "gyp info ") && !strings.HasPrefix(line, "npm info ") {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		return lines
	}
	return kept
}
