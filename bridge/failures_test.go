package main

import (
	"strings"
	"testing"
	"time"
)

func TestBadCommandsSayWhy(t *testing.T) {
	tests := map[string]struct {
		mode, reason, message string
		change                func(*Config)
	}{
		"not found": {"", "CommandNotFound", "Command not found: no-such-command: executable file not found in $PATH.", func(c *Config) { c.Command = "no-such-command" }},
		"exits":     {"broken", "CommandExited", "exited with code 2; it wrote: usage: broken --token TOKEN", nil},
		"refuses":   {"refuses", "HandshakeFailed", "refused initialize with error -32602: no.", nil},
		"hangs":     {"silent", "StartTimeout", "within 1s; it wrote last: loading the model", func(c *Config) { c.StartTimeout = time.Second }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			environ, command := own(test.mode)
			b := start(t, environ, func(c *Config) {
				command(c)
				if test.change != nil {
					test.change(c)
				}
			})
			r := b.await("Failed")
			if r.Code != 503 || r.Reason != test.reason || !strings.Contains(r.Message, test.message) {
				t.Errorf("got %+v", r)
			}
			if r = b.ready(); r.Restarts < 1 {
				t.Errorf("the tries are not counted: %+v", r)
			}
			status, answer, _ := b.post("", initialize)
			if status != 503 || !strings.Contains(answer, test.reason) || strings.Contains(answer, "usage") {
				t.Errorf("initialize gives %d %s", status, answer)
			}
		})
	}
}

func TestCrashLoopShows(t *testing.T) {
	environ, command := own("unborn")
	b := start(t, environ, command)
	b.await("Ready")
	for range 3 {
		if status, answer, session := b.post("", initialize); status != 200 || session != "" || !strings.Contains(answer, "exited with code 5") {
			t.Errorf("initialize gives %d %s", status, answer)
		}
	}
	if r := b.await("CrashLoop"); r.Code != 503 || r.Restarts < 3 || !strings.Contains(r.Message, "last 3 sessions") {
		t.Errorf("readiness %+v", r)
	}
	if status, answer, _ := b.post("", initialize); status != 503 || !strings.Contains(answer, "CrashLoop") {
		t.Errorf("initialize gives %d %s", status, answer)
	}
}

func TestStartingShowsTheLastWords(t *testing.T) {
	environ, command := own("silent")
	b := start(t, environ, command)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(b.ready().Message, "loading the model"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("readiness %+v", b.ready())
		}
	}
	if r := b.ready(); r.State != "Starting" || r.Code != 503 {
		t.Errorf("readiness %+v", r)
	}
}

func TestCrashEndsTheSessionOnly(t *testing.T) {
	environ, command := own("crashes")
	b := start(t, environ, command)
	b.await("Ready")
	_, _, other := b.post("", initialize)
	_, _, session := b.post("", initialize)
	status, answer, _ := b.post(session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
	if status != 200 || !strings.Contains(answer, `"id":2,"error"`) || !strings.Contains(answer, "exited with code 9") {
		t.Errorf("the call gives %d %s", status, answer)
	}
	if status, _, _ := b.post(session, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`); status != 404 {
		t.Errorf("a later call gives %d", status)
	}
	if status, _, _ := b.post(other, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`); status != 200 {
		t.Errorf("the other session gives %d", status)
	}
	if r := b.ready(); r.State != "Ready" || r.Sessions != 1 {
		t.Errorf("readiness %+v", r)
	}
}
