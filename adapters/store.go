package adapters

import (
	"context"
	"errors"
	"io"
)

// What a Store or a Deployer answers. Compare with errors.Is.
var (
	// ErrNotFound: no adapter has the name.
	ErrNotFound = errors.New("adapter not found")
	// ErrExists: the name is taken.
	ErrExists = errors.New("adapter already exists")
	// ErrStale: the record is no longer at the revision that was named.
	ErrStale = errors.New("adapter was changed in the meantime")
	// ErrUnsupported: this runtime cannot run the adapter. Wrapped with a
	// sentence for the user that says which runtime can.
	ErrUnsupported = errors.New("not supported by this runtime")
	// ErrNoEarlierLog: the replica has no log of a server before its present one.
	ErrNoEarlierLog = errors.New("no log of an earlier server")
)

// Store keeps adapters. What it has answered with no error survives a crash of
// the machine. It is safe for use by several goroutines.
type Store interface {
	// Create adds a and returns it with its Revision. Where the Store's records
	// have an ID, a CreatedAt and a Generation of their own, those take the place
	// of a's, here and in Update. ErrExists.
	Create(ctx context.Context, a Adapter) (Adapter, error)
	// Get returns the adapter of that name. ErrNotFound, or an UnreadableError.
	Get(ctx context.Context, name string) (Adapter, error)
	// List returns all adapters in order of name, without those that Unreadable
	// returns.
	List(ctx context.Context) ([]Adapter, error)
	// Unreadable returns the records that are there and cannot be read.
	Unreadable(ctx context.Context) ([]*UnreadableError, error)
	// Update replaces the adapter of a.Name, provided that it is at revision
	// ifAt (empty: any) and has the same ID. Where that changes nothing, it may
	// keep its Revision. ErrNotFound, ErrStale, or an UnreadableError.
	Update(ctx context.Context, a Adapter, ifAt Revision) (Adapter, error)
	// Delete removes the adapter of that name, provided that it is at revision
	// ifAt (empty: any, and one that cannot be read too). ErrNotFound, ErrStale,
	// or an UnreadableError.
	Delete(ctx context.Context, name string, ifAt Revision) error
	// Changes returns a channel that receives after any change, however many
	// there were: read List again. It is never closed. Each call returns a
	// channel of its own, which is dropped when ctx ends.
	Changes(ctx context.Context) <-chan struct{}
}

// Deployer makes the world match the adapters in a Store: on each change it
// lists all, compares and acts. It is safe for use by several goroutines.
type Deployer interface {
	// Supports answers nil, or an error wrapping ErrUnsupported that says which
	// runtime runs what s asks for.
	Supports(s Spec) error
	// Run works until ctx ends and returns once all its goroutines have.
	Run(ctx context.Context) error
	// Instances returns what runs now, by adapter, in a fixed order.
	Instances() map[UID][]Instance
	// Changes is like Store.Changes, for Instances.
	Changes(ctx context.Context) <-chan struct{}
	// Conditions are what the runtime has to say of a that its instances do not
	// show, in a fixed order: ConditionWorkloadIdentity, for example.
	Conditions(a Adapter) []Condition
	// Logs writes the newest lines of the replica's log to w, and with
	// opt.Follow new ones until ctx ends or the adapter is gone. ErrNotFound
	// where there is no such replica.
	Logs(ctx context.Context, id UID, opt LogOptions, w io.Writer) error
}

// LogOptions choose what Deployer.Logs writes.
type LogOptions struct {
	// Instance is the replica's ordinal.
	Instance int
	// Lines is how many of the newest lines to write first. Zero means 500.
	Lines int
	// Follow goes on with new lines.
	Follow bool
	// Previous asks for the log of the server before the present one of the replica,
	// which ended, and for nothing else: ErrNoEarlierLog where there is none, or
	// where the runtime keeps one log for all of them. Not with Follow.
	Previous bool
}
