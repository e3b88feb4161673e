package api

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mooring-mcp/mooring/adapters"
)

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
