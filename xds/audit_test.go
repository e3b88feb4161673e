package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/adapters/audit"
)

func TestVerifyAudit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.Open(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := log.Append(audit.Event{Verdict: audit.Allowed}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := verifyAudit(&out, []string{path}); err != nil || !strings.Contains(out.String(), "3 lines, unbroken up to number 3") {
		t.Errorf("%s, error %v", out.String(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, later, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(path, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := verifyAudit(&out, []string{path}); err != nil || !strings.Contains(out.String(), "older files") {
		t.Errorf("%s, error %v", out.String(), err)
	}
	if err := verifyAudit(&out, nil); err == nil {
		t.Error("no file is verified")
	}
}
