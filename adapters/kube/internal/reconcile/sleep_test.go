package reconcile

import (
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

func TestPosture(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	ready := func(since time.Duration) adapters.Instance {
		return adapters.Instance{State: adapters.InstanceReady, Since: ago(since)}
	}
	idle := rest{
		now: now, after: time.Minute, wanted: 1, known: true, idle: ago(time.Hour), instances: []adapters.Instance{ready(time.Hour)},
	}
	for name, test := range map[string]struct {
		change func(*rest)
		want   posture
		wait   time.Duration
	}{
		"nobody calls":      {func(*rest) {}, fallAsleep, dozing},
		"never":             {func(s *rest) { s.after = 0 }, awake, 0},
		"no replicas":       {func(s *rest) { s.wanted = 0 }, awake, 0},
		"called lately":     {func(s *rest) { s.idle = ago(40 * time.Second) }, awake, 20 * time.Second},
		"ready lately":      {func(s *rest) { s.instances = append(s.instances, ready(50*time.Second)) }, awake, 10 * time.Second},
		"woken lately":      {func(s *rest) { s.woken = ago(59 * time.Second) }, awake, time.Second},
		"unknown":           {func(s *rest) { s.known = false }, awake, lookAgain},
		"none serves":       {func(s *rest) { s.instances = nil }, awake, 0},
		"all failed":        {func(s *rest) { s.instances[0].State = adapters.InstanceFailed }, awake, 0},
		"one failed":        {func(s *rest) { s.instances = append(s.instances, adapters.Instance{State: adapters.InstanceFailed}) }, fallAsleep, dozing},
		"one starts":        {func(s *rest) { s.instances = append(s.instances, adapters.Instance{State: adapters.InstanceStarting}) }, awake, 0},
		"one ends":          {func(s *rest) { s.instances = append(s.instances, adapters.Instance{State: adapters.InstanceDraining}) }, awake, 0},
		"marked":            {func(s *rest) { s.asleep = ago(5 * time.Second) }, doze, dozing - 5*time.Second},
		"marked, called":    {func(s *rest) { s.asleep, s.idle = ago(15*time.Second), ago(time.Second) }, wake, 0},
		"marked, unknown":   {func(s *rest) { s.asleep, s.known = ago(dozing), false }, doze, lookAgain},
		"unknown for long":  {func(s *rest) { s.asleep, s.known = ago(time.Hour), false }, wake, 0},
		"dozed":             {func(s *rest) { s.asleep = ago(dozing) }, asleep, 0},
		"asleep":            {func(s *rest) { s.asleep, s.ended, s.known = ago(time.Hour), true, false }, asleep, 0},
		"asleep, never now": {func(s *rest) { s.asleep, s.ended, s.after = ago(time.Hour), true, 0 }, wake, 0},
		"asleep, none now":  {func(s *rest) { s.asleep, s.ended, s.wanted = ago(time.Hour), true, 0 }, wake, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := idle
			s.instances = append([]adapters.Instance(nil), idle.instances...)
			test.change(&s)
			if got, wait := s.posture(); got != test.want || wait != test.wait {
				t.Errorf("got %d, and looks again after %s", got, wait)
			}
		})
	}
}
