package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
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
	err := d.object(nil, d.field)
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
func userFields() []string {
	return []string{
		"name", "imageName", "imageVersion", "environmentVariables", "replicaCount",
		"description", "useWorkloadIdentity", "requiredRoles", "labels", "toolRules", "affinity", "limits",
		"inspection", "processModel", "sessionRecovery", "upstreamAuth", "secretEnvironmentVariables",
	}
}

func (d *specDecoder) field(path []string, name string) (err error) {
	switch name {
	case "name":
		d.spec.Name, err = d.text(path)
	case "imageName":
		d.spec.ImageName, err = d.text(path)
	case "imageVersion":
		d.spec.ImageVersion, err = d.text(path)
	case "environmentVariables":
		d.spec.EnvironmentVariables, err = d.texts(path)
	case "replicaCount":
		d.spec.ReplicaCount, err = d.integer(path)
	case "description":
		d.spec.Description, err = d.text(path)
	case "useWorkloadIdentity":
		d.spec.UseWorkloadIdentity, err = d.boolean(path)
	case "requiredRoles":
		d.spec.RequiredRoles, err = d.list(path)
	case "labels":
		d.spec.Labels, err = d.texts(path)
	case "toolRules":
		d.spec.ToolRules, err = d.toolRules(path)
	case "affinity":
		err = d.affinity(path)
	case "limits":
		d.spec.Limits, err = d.limits(path)
	case "inspection":
		var text string
		text, err = d.word(path)
		d.spec.Inspection = adapters.Inspection(text)
	case "processModel":
		var text string
		text, err = d.word(path)
		d.spec.ProcessModel = adapters.ProcessModel(text)
	case "sessionRecovery":
		var text string
		text, err = d.word(path)
		d.spec.SessionRecovery = adapters.SessionRecovery(text)
	case "secretEnvironmentVariables":
		d.spec.SecretEnvironmentVariables, err = d.secrets(path)
	case "upstreamAuth":
		d.spec.UpstreamAuth, err = d.upstreamAuth(path)
	default:
		if !slices.Contains(serverFields(), name) {
			d.fault(path, unknownField(name))
		}
		return d.tokens.SkipValue()
	}
	return err
}

// unknownField is the message for a member that an adapter does not have.
func unknownField(name string) string {
	for _, known := range append(userFields(), serverFields()...) {
		if strings.EqualFold(name, known) {
			return fmt.Sprintf("It is not known: names count exactly, and this one is written %s.", known)
		}
	}
	return "It is not known."
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

// object reads an object, and has member read each value.
func (d *specDecoder) object(path []string, member func(path []string, name string) error) error {
	if d.tokens.PeekKind() != '{' {
		return d.wrongType(path, "an object")
	}
	if _, err := d.tokens.ReadToken(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.tokens.PeekKind() != '}' {
		token, err := d.tokens.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		within := append(slices.Clone(path), name)
		if seen[name] {
			d.fault(within, "The name is there more than once.")
		}
		seen[name] = true
		if err := member(within, name); err != nil {
			return err
		}
	}
	_, err := d.tokens.ReadToken()
	return err
}

func (d *specDecoder) texts(path []string) (map[string]string, error) {
	texts := map[string]string{}
	err := d.object(path, func(within []string, name string) (err error) {
		texts[name], err = d.text(within)
		return err
	})
	return texts, err
}

func (d *specDecoder) list(path []string) ([]string, error) {
	if d.tokens.PeekKind() != '[' {
		return nil, d.wrongType(path, "a list")
	}
	if _, err := d.tokens.ReadToken(); err != nil {
		return nil, err
	}
	list := []string{}
	for d.tokens.PeekKind() != ']' {
		text, err := d.text(append(slices.Clone(path), strconv.Itoa(len(list))))
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	_, err := d.tokens.ReadToken()
	return list, err
}

func (d *specDecoder) text(path []string) (string, error) {
	if d.tokens.PeekKind() != '"' {
		return "", d.wrongType(path, "a text")
	}
	token, err := d.tokens.ReadToken()
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

func (d *specDecoder) boolean(path []string) (bool, error) {
	if kind := d.tokens.PeekKind(); kind != 't' && kind != 'f' {
		return false, d.wrongType(path, "true or false")
	}
	token, err := d.tokens.ReadToken()
	if err != nil {
		return false, err
	}
	return token.Bool(), nil
}

// integer reads a number without a fraction, however it is written. One beyond
// 32 bits is beyond every bound, and reads as the largest.
func (d *specDecoder) integer(path []string) (int, error) {
	if d.tokens.PeekKind() != '0' {
		return 0, d.wrongType(path, "a whole number")
	}
	token, err := d.tokens.ReadToken()
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseFloat(token.String(), 64)
	const most = 1<<31 - 1
	switch {
	case err != nil || number > most:
		return most, nil
	case number < -most:
		return -most, nil
	case number != float64(int(number)):
		d.fault(path, "It must be a whole number.")
		return 0, nil
	}
	return int(number), nil
}

// end is an error where anything but white space follows.
func (d *specDecoder) end() error {
	switch _, err := d.tokens.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errTrailing
}

var errTrailing = errors.New("there is something after the JSON value")

// maxSyntaxPointer is the longest pointer to broken JSON that is told.
const maxSyntaxPointer = 256

// syntaxFault is what broke off the reading of JSON. It tells where and nothing
// of what is there: that can be a part of a secret.
func syntaxFault(err error) adapters.Fault {
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return adapters.Fault{Message: "It is not valid JSON: it ends too early."}
		}
		return adapters.Fault{Message: fmt.Sprintf("It is not valid JSON: %v.", err)}
	}
	fault := adapters.Fault{Pointer: string(syntax.JSONPointer)}
	if len(fault.Pointer) > maxSyntaxPointer {
		fault.Pointer = ""
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		fault.Message = "The name is there more than once."
	case errors.Is(err, io.ErrUnexpectedEOF):
		fault.Message = "It is not valid JSON: it ends too early."
	default:
		fault.Message = fmt.Sprintf("It is not valid JSON at byte %d.", syntax.ByteOffset)
	}
	return fault
}
