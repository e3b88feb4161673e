package local

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// listRetry is how soon a store that did not answer is asked again.
const listRetry = time.Second

// Run implements adapters.Deployer. When ctx ends it stops every bridge, and
// returns once all are gone. It may be called once.
func (d *Deployer) Run(ctx context.Context) error {
	for _, dir := range []string{d.cfg.RunDir, filepath.Join(d.cfg.RunDir, "b")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the run folder: %w", err)
		}
	}
	changes := d.cfg.Store.Changes(ctx)
	own := d.table.listeners.Changes(ctx)
	if err := d.adopt(); err != nil {
		return err
	}
	defer d.replicas.Wait()
	defer d.stopAll()
	births := laneRestored
	for {
		retry, done := d.reconcile(ctx, births)
		if done {
			births = laneAsked
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		case <-own:
		case <-retry:
		}
	}
}

// reconcile makes what runs match the store; what is to be born waits for its
// start in that lane. Where it is not done, it returns a channel that receives
// when it should be tried again without any change.
func (d *Deployer) reconcile(ctx context.Context, births lane) (retry <-chan time.Time, done bool) {
	wanted, err := d.cfg.Store.List(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Log.Error("adapters cannot be listed; what runs is left alone", "error", err)
		}
		return time.After(listRetry), false
	}
	locked, err := d.cfg.Store.Unreadable(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Log.Error("adapters cannot be listed; what runs is left alone", "error", err)
		}
		return time.After(listRetry), false
	}
	rows := d.table.list()
	born, goals := plan(wanted, standings(unlocked(rows, locked)))
	templates := map[adapters.UID]adapters.Adapter{}
	for _, a := range wanted {
		templates[a.ID] = a
	}
	for _, r := range rows {
		if a := templates[r.adapter]; r.TemplateHash == a.TemplateHash() {
			r.replica.know(a)
		}
		if g, changed := goals[r.ID]; changed {
			r.replica.raise(g)
		}
	}
	d.removeFolders(wanted, locked, rows)
	for _, b := range born {
		d.begin(b, births)
	}
	return nil, true
}

func standings(rows []row) []standing {
	all := make([]standing, 0, len(rows))
	for _, r := range rows {
		all = append(all, standing{
			id: r.ID, adapter: r.adapter, ordinal: r.Ordinal, hash: r.TemplateHash,
			goal: r.replica.current(), ready: r.State == adapters.InstanceReady, served: r.served,
		})
	}
	return all
}

// begin starts a new replica, which waits for its first start in lane l.
func (d *Deployer) begin(b birth, l lane) {
	id := d.owner + newSuffix()
	r := d.newReplica(record{
		Instance: id,
		Adapter:  b.adapter.ID,
		Name:     b.adapter.Name,
		Ordinal:  b.ordinal,
		Template: b.adapter.TemplateHash(),
		Socket:   d.cfg.socket(id),
	})
	r.know(b.adapter)
	r.lane = l
	d.launch(r, false)
}

// launch shows r and runs it.
func (d *Deployer) launch(r *replica, served bool) {
	h := starting("")
	if !r.record.DrainingSince.IsZero() {
		h = draining()
	}
	d.table.add(row{
		Instance: adapters.Instance{
			ID: r.id, Ordinal: r.record.Ordinal, Address: r.record.Socket, TemplateHash: r.record.Template,
			State: h.state, Reason: h.reason, Message: h.message, Restarts: r.record.Restarts,
		},
		adapter: r.record.Adapter,
		replica: r,
		served:  served,
	})
	d.replicas.Go(r.run)
}

func (d *Deployer) stopAll() {
	rows := d.table.list()
	for _, r := range rows {
		r.replica.raise(goalStop)
	}
	d.cfg.Log.Info("stopping all bridges", slog.Int("bridges", len(rows)))
}
