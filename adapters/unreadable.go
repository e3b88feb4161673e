package adapters

import (
	"errors"
	"fmt"
)

// ErrUnreadable is what every UnreadableError is, for errors.Is.
var ErrUnreadable = errors.New("adapter record cannot be read")

// UnreadableError is a record that is there and cannot be read: its secrets were
// sealed with a key that is lost, for example. What belongs to its adapter must
// be kept until it is deleted: the reason can go away.
type UnreadableError struct {
	// Name is the adapter's.
	Name string
	// ID is the adapter's. Empty where that cannot be read either.
	ID UID
	// Reason completes "The record cannot be read: …" for users. It shows nothing
	// of the record.
	Reason string
	// Cause is for the log.
	Cause error
}

// Error names the adapter and says why.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("%v: %q: %s: %v", ErrUnreadable, e.Name, e.Reason, e.Cause)
}

// Unwrap makes ErrUnreadable and the cause visible to errors.Is and errors.As.
func (e *UnreadableError) Unwrap() []error { return []error{ErrUnreadable, e.Cause} }
