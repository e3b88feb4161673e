package snapshot

import (
	"slices"

	"github.com/mooring-mcp/mooring/adapters"
)

// trials finds the culprit where Envoy refused something that several adapters
// share and did not say whose fault it is: all suspects are left out, then come
// back in groups, and a group that is refused again is halved. So the innocent
// are back soon, whoever they were changed together with.
type trials struct {
	waiting [][]adapters.UID
}

// suspect leaves the suspects, of whom there are at least two, out.
func (t *trials) suspect(suspects []adapters.UID) {
	half := len(suspects) / 2
	t.waiting = append([][]adapters.UID{suspects[:half], suspects[half:]}, t.waiting...)
}

// waits reports whether the adapter's trial is yet to come.
func (t *trials) waits(id adapters.UID) bool {
	return slices.ContainsFunc(t.waiting, func(group []adapters.UID) bool { return slices.Contains(group, id) })
}

// next lets the next group in. It reports whether there was one.
func (t *trials) next() bool {
	if len(t.waiting) == 0 {
		return false
	}
	t.waiting = t.waiting[1:]
	return true
}

// forget drops the adapters that are gone.
func (t *trials) forget(gone func(adapters.UID) bool) {
	for i, group := range t.waiting {
		t.waiting[i] = slices.DeleteFunc(slices.Clone(group), gone)
	}
	t.waiting = slices.DeleteFunc(t.waiting, func(group []adapters.UID) bool { return len(group) == 0 })
}

// nextTrial lets the next group in, once every Envoy has answered what it was
// sent. It reports whether there was one.
func (l *Loop) nextTrial() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.state.streams {
		if len(s.sent) > 0 {
			return false
		}
	}
	return l.state.trials.next()
}
