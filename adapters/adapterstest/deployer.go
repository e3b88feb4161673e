package adapterstest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/mooring-mcp/mooring/adapters"
)

// Deployer is an adapters.Deployer that runs nothing and says what it was told
// to. The zero value has no instances and supports every Spec.
type Deployer struct {
	adapters.Notifier

	mu        sync.Mutex
	instances map[adapters.UID][]adapters.Instance
	logs      map[string]string
	supports  func(adapters.Spec) error
	says      []adapters.Condition
}

var _ adapters.Deployer = (*Deployer)(nil)

// SetInstances makes instances all that runs of the adapter.
func (d *Deployer) SetInstances(id adapters.UID, instances ...adapters.Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.instances == nil {
		d.instances = map[adapters.UID][]adapters.Instance{}
	}
	d.instances[id] = slices.Clone(instances)
	d.Notify()
}

// AppendLog adds lines, each with its line feed, to the log of a replica.
func (d *Deployer) AppendLog(id adapters.UID, instance int, lines string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.logs == nil {
		d.logs = map[string]string{}
	}
	d.logs[logKey(id, instance)] += lines
	d.Notify()
}

// SetSupports makes supports the answer of Supports.
func (d *Deployer) SetSupports(supports func(adapters.Spec) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.supports = supports
}

// Supports implements adapters.Deployer.
func (d *Deployer) Supports(s adapters.Spec) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.supports == nil {
		return nil
	}
	return d.supports(s)
}

// SetConditions makes conditions the answer of Conditions.
func (d *Deployer) SetConditions(conditions ...adapters.Condition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.says = slices.Clone(conditions)
}

// Conditions implements adapters.Deployer.
func (d *Deployer) Conditions(adapters.Adapter) []adapters.Condition {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.says)
}

// Run implements adapters.Deployer. It only waits for the end of ctx.
func (d *Deployer) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Instances implements adapters.Deployer.
func (d *Deployer) Instances() map[adapters.UID][]adapters.Instance {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[adapters.UID][]adapters.Instance{}
	for id, instances := range d.instances {
		all[id] = slices.Clone(instances)
	}
	return all
}

// Logs implements adapters.Deployer.
func (d *Deployer) Logs(ctx context.Context, id adapters.UID, opt adapters.LogOptions, w io.Writer) error {
	changes := d.Changes(ctx)
	text, found := d.log(id, opt.Instance)
	if !found {
		return adapters.ErrNotFound
	}
	if opt.Previous {
		return adapters.ErrNoEarlierLog
	}
	written := len(text)
	if _, err := io.WriteString(w, newest(text, opt.Lines)); err != nil {
		return fmt.Errorf("writing log: %w", err)
	}
	for opt.Follow {
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
		text, _ = d.log(id, opt.Instance)
		if _, err := io.WriteString(w, text[written:]); err != nil {
			return fmt.Errorf("writing log: %w", err)
		}
		written = len(text)
	}
	return nil
}

func (d *Deployer) log(id adapters.UID, instance int) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, found := d.logs[logKey(id, instance)]
	return text, found
}

// newest is the last lines of text. Zero means 500.
func newest(text string, lines int) string {
	if lines == 0 {
		lines = 500
	}
	all := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "") + text[len(strings.TrimSuffix(text, "\n")):]
}

func logKey(id adapters.UID, instance int) string { return fmt.Sprintf("%s/%d", id, instance) }
