package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// keyOf is the id of the key that signed a session's id.
func keyOf(t *testing.T, session string) string {
	t.Helper()
	head, _, _ := strings.Cut(session, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Kid string }
	if err := json.Unmarshal(text, &h); err != nil || h.Kid == "" {
		t.Fatalf("head %s, error %v", text, err)
	}
	return h.Kid
}

// keyAge is what the gauge says.
func (p *processor) keyAge(t *testing.T) float64 {
	t.Helper()
	_, metrics, err := unixGet(p.ops, "/metrics")
	found := regexp.MustCompile(`(?m)^mooring_session_key_age_seconds (\S+)$`).FindStringSubmatch(metrics)
	if err != nil || found == nil {
		t.Fatalf("no age of the key, error %v", err)
	}
	age, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return age
}

// TestKeysAreReplacedWithoutARestart: a key is made by the command and signs, the
// old one verifies, until it is taken away. Neither Envoy nor the processor is
// started anew.
func TestKeysAreReplacedWithoutARestart(t *testing.T) {
	g := newGateway(t)
	old, err := filepath.Glob(filepath.Join(g.keys, "*.pem"))
	if err != nil || len(old) != 1 {
		t.Fatalf("keys %v, error %v", old, err)
	}
	// By its name, the key is years old.
	aged := filepath.Join(g.keys, "20200101T000000Z.pem")
	if err := os.Rename(old[0], aged); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is old", func() bool { return g.keyAge(t) > 3.6e6 })
	first := g.initialize(t)

	command := exec.Command(os.Args[0], "make-key", "--session-keys", g.keys)
	command.Env = append(os.Environ(), beMain+"=1")
	made, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(strings.TrimSpace(string(made))); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the command printed %q: %v, error %v", made, info, err)
	}
	var second string
	eventually(t, "the new key signs", func() bool {
		second = g.initialize(t)
		return keyOf(t, second) != keyOf(t, first)
	})
	if age := g.keyAge(t); age > 60 {
		t.Errorf("the new key is %v s old", age)
	}
	use := func(session string) int {
		return g.do(t, http.MethodPost, listTools, "Mcp-Session-Id", session).status
	}
	if a, b := use(first), use(second); a != http.StatusOK || b != http.StatusOK {
		t.Errorf("with both keys: %d, %d", a, b)
	}
	if err := os.Remove(aged); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old key's sessions have ended", func() bool { return use(first) == http.StatusNotFound })
	if status := use(second); status != http.StatusOK {
		t.Errorf("the new key's session: %d", status)
	}
}
