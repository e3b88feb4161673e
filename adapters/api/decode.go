package api

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/adapters"
)

// specDecoder reads the JSON of an adapter and goes on after a fault, so that
// one answer names all of them. Only broken JSON ends it.
type specDecoder struct {
	tokens *jsontext.Decoder
	spec   adapters.Spec
	faults []adapters.Fault
}

// decodeSpec reads the JSON of an adapter as POST and PUT take it. Names count
// exactly and once, null is nothing, and what the server owns is ignored.
// encoding/json would take any case of a name, and the last of several.
// Where it answers broken, the rest of the faults is not known.
func decodeSpec(body []byte) (spec adapters.Spec, faults []adapters.Fault, broken bool) {
	d := &specDecoder{
		tokens: jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true)),
		spec:   adapters.Spec{ReplicaCount: 1},
	}
	isObject := d.tokens.PeekKind() == '{'
	err := d.object(nil, d.of(d.adapter(), unknownField))
	if err == nil {
		err = d.end()
	}
	if err != nil {
		d.faults = append(d.faults, syntaxFault(err))
	}
	return d.spec, d.faults, err != nil || !isObject
}

// serverFields are set by the server and ignored when sent, so that what was
// read can be edited and sent back.
func serverFields() []string { return []string{"id", "createdBy", "createdAt", "lastUpdatedAt"} }

// userFields are the members of an adapter that users write.
func userFields() []string { return slices.Sorted(maps.Keys(new(specDecoder).adapter())) }

// member reads the value at path to where it belongs.
type member func(path []string) error

// into is the member that keeps what read finds in field.
func into[T any](field *T, read func(path []string) (T, error)) member {
	return func(path []string) (err error) {
		*field, err = read(path)
		return err
	}
}

// word is the member of which an empty text is not the same as none.
func word[T ~string](d *specDecoder, field *T) member {
	return func(path []string) error {
		faults := len(d.faults)
		text, err := d.text(path)
		if err == nil && text == "" && len(d.faults) == faults {
			d.fault(path, "It is empty; leave it out instead.")
		}
		*field = T(text)
		return err
	}
}

// adapter are the members of an adapter, by name.
func (d *specDecoder) adapter() map[string]member {
	return map[string]member{
		"name":                       into(&d.spec.Name, d.text),
		"imageName":                  into(&d.spec.ImageName, d.text),
		"imageVersion":               into(&d.spec.ImageVersion, d.text),
		"environmentVariables":       into(&d.spec.EnvironmentVariables, d.texts),
		"replicaCount":               into(&d.spec.ReplicaCount, d.integer),
		"description":                into(&d.spec.Description, d.text),
		"useWorkloadIdentity":        into(&d.spec.UseWorkloadIdentity, d.boolean),
		"requiredRoles":              into(&d.spec.RequiredRoles, d.list),
		"labels":                     into(&d.spec.Labels, d.texts),
		"toolRules":                  into(&d.spec.ToolRules, d.toolRules),
		"affinity":                   word(d, &d.spec.Affinity),
		"limits":                     into(&d.spec.Limits, d.limits),
		"inspection":                 word(d, &d.spec.Inspection),
		"processModel":               word(d, &d.spec.ProcessModel),
		"sessionRecovery":            word(d, &d.spec.SessionRecovery),
		"secretEnvironmentVariables": into(&d.spec.SecretEnvironmentVariables, d.secrets),
		"upstreamAuth":               into(&d.spec.UpstreamAuth, d.upstreamAuth),
	}
}

// of reads each value by the member of that name. What unknown says, if anything,
// is the fault of one that there is none for.
func (d *specDecoder) of(members map[string]member, unknown func(name string) string) func(path []string, name string) error {
	return func(path []string, name string) error {
		if read, known := members[name]; known {
			return read(path)
		}
		if message := unknown(name); message != "" {
			d.fault(path, message)
		}
		return d.tokens.SkipValue()
	}
}

// notKnown is the message for a member that there is not.
func notKnown(string) string { return "It is not known." }

// unknownField is the message for a member that an adapter does not have, or
// nothing for one that the server sets.
func unknownField(name string) string {
	if slices.Contains(serverFields(), name) {
		return ""
	}
	for _, known := range append(userFields(), serverFields()...) {
		if strings.EqualFold(name, known) {
			return fmt.Sprintf("It is not known: names count exactly, and this one is written %s.", known)
		}
	}
	return notKnown(name)
}

func (d *specDecoder) fault(path []string, message string) {
	d.faults = append(d.faults, adapters.Fault{Pointer: adapters.Pointer(path...), Message: message})
}

// wrongType skips the value and notes what should have been there.
func (d *specDecoder) wrongType(path []string, want string) error {
	message := "It must be " + want + "."
	if d.tokens.PeekKind() == 'n' && len(path) > 0 {
		message = "It must be " + want + ", not null; leave it out instead."
	}
	if err := d.tokens.SkipValue(); err != nil {
		return err
	}
	d.fault(path, message)
	return nil
}
