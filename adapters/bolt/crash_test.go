package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
	"github.com/mooring-mcp/mooring/adapters/bolt"
)

// writerFile, in the environment of this test's program, makes it write
// adapters into the file that it names until it is killed.
const writerFile = "BOLT_TEST_WRITER_FILE"

// writeForEver creates and updates adapters, and prints a line for each write
// that was acknowledged.
func writeForEver(path string) int {
	s, err := bolt.Open(path, slog.New(slog.DiscardHandler))
	for i := 0; err == nil; i++ {
		var a adapters.Adapter
		if a, err = s.Create(context.Background(), adapterstest.Example(fmt.Sprintf("n%d", i))); err != nil {
			break
		}
		fmt.Println(a.Name, a.Revision)
		if a, err = s.Update(context.Background(), a, a.Revision); err != nil {
			break
		}
		fmt.Println(a.Name, a.Revision)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func TestKillLosesNothing(t *testing.T) {
	for range 3 {
		path := filepath.Join(t.TempDir(), "adapters.db")
		acknowledged := killedAfter(t, path, 40)
		s := open(t, path, slog.New(slog.DiscardHandler))
		for name, revision := range acknowledged {
			a, err := s.Get(t.Context(), name)
			// A write that was not acknowledged may be there as well.
			if err != nil || number(a.Revision) < number(revision) {
				t.Errorf("adapter %s: revision %q, error %v: %s was acknowledged", name, a.Revision, err, revision)
			}
		}
		closeStore(t, s)
	}
}

func number(revision adapters.Revision) int {
	n, _ := strconv.Atoi(string(revision))
	return n
}

// killedAfter runs the writer, kills it in the middle of its work once it has
// acknowledged some writes, and returns the last revision of each.
func killedAfter(t *testing.T, path string, writes int) map[string]adapters.Revision {
	t.Helper()
	writer := exec.CommandContext(t.Context(), os.Args[0])
	writer.Env = append(os.Environ(), writerFile+"="+path)
	var stderr strings.Builder
	writer.Stderr = &stderr
	stdout, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	revisions := map[string]adapters.Revision{}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		name, revision, _ := strings.Cut(lines.Text(), " ")
		revisions[name] = adapters.Revision(revision)
		if writes--; writes == 0 {
			if err := writer.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := writer.Wait(); err == nil || writes > 0 {
		t.Fatalf("the writer ended by itself: %v: %s", err, stderr.String())
	}
	return revisions
}
