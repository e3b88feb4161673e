package adapters

import (
	"errors"
	"strings"
)

// ErrInvalid is what every ValidationError is, for errors.Is.
var ErrInvalid = errors.New("invalid adapter")

// Fault is one thing that is wrong with an adapter as it was sent.
type Fault struct {
	// Pointer is a JSON pointer (RFC 6901) to what is at fault: empty for the
	// whole, "/name", "/environmentVariables/MCP_COMMAND".
	Pointer string
	// Message is a sentence for the user. It never shows a variable's value.
	Message string
}

// Error is the pointer and the message.
func (f Fault) Error() string {
	if f.Pointer == "" {
		return f.Message
	}
	return f.Pointer + ": " + f.Message
}

// ValidationError holds everything that is wrong with an adapter. It is
// ErrInvalid, and each Fault is found by errors.As.
type ValidationError struct {
	// Faults is never empty.
	Faults []Fault
}

// Error is all faults, one after the other.
func (e *ValidationError) Error() string {
	texts := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		texts[i] = fault.Error()
	}
	return ErrInvalid.Error() + ": " + strings.Join(texts, "; ")
}

// Unwrap makes ErrInvalid and every fault visible to errors.Is and errors.As.
func (e *ValidationError) Unwrap() []error {
	errs := make([]error, 0, len(e.Faults)+1)
	errs = append(errs, ErrInvalid)
	for _, fault := range e.Faults {
		errs = append(errs, fault)
	}
	return errs
}

// Invalid is a ValidationError of faults, or nil when there are none.
func Invalid(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return &ValidationError{Faults: faults}
}

// Checks is a ServiceConfig.Check of several: what each of them finds wrong, in
// their order.
func Checks(checks ...func(Spec) []Fault) func(Spec) []Fault {
	return func(spec Spec) []Fault {
		var faults []Fault
		for _, check := range checks {
			faults = append(faults, check(spec)...)
		}
		return faults
	}
}

// MergeFaults is first and then those of more that point to a place where
// first finds no fault, nor in what holds it: one reason for each place is
// enough, and a value of the wrong type is not also too short.
func MergeFaults(first, more []Fault) []Fault {
	merged := first
	for _, fault := range more {
		if !covered(first, fault.Pointer) {
			merged = append(merged, fault)
		}
	}
	return merged
}

func covered(faults []Fault, pointer string) bool {
	for _, fault := range faults {
		if pointer == fault.Pointer || strings.HasPrefix(pointer, fault.Pointer+"/") && fault.Pointer != "" {
			return true
		}
	}
	return false
}

// Pointer is the JSON pointer to the member that path leads to.
func Pointer(path ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, name := range path {
		b.WriteByte('/')
		b.WriteString(escape.Replace(name))
	}
	return b.String()
}
