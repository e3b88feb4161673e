package main

import (
	"fmt"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mooring-mcp/mooring/adapters/api"
	"github.com/mooring-mcp/mooring/adapters/audit"
)

// auditor keeps what was done and refused, until it is closed.
type auditor interface {
	api.Auditor
	io.Closer
}

// openAudit opens the file at path. "-" is the standard output, and an empty path
// an auditor that keeps nothing.
func openAudit(path string, reg prometheus.Registerer) (auditor, error) {
	switch path {
	case "":
		return noAudit{}, nil
	case "-":
		out := audit.To(os.Stdout)
		reg.MustRegister(out)
		return out, nil
	}
	file, err := audit.Open(path, 0)
	if err != nil {
		return nil, err
	}
	reg.MustRegister(file)
	return file, nil
}

type noAudit struct{}

func (noAudit) Append(...audit.Event) error { return nil }
func (noAudit) Failing() bool               { return false }
func (noAudit) Close() error                { return nil }

// verifyAudit says whether the files, the oldest first, hold an unbroken chain.
func verifyAudit(out io.Writer, paths []string) error {
	result, err := audit.Verify(paths...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d lines, unbroken up to number %d with digest %s\n", result.Lines, result.Last, result.Hash)
	if err == nil && !result.Complete && result.Lines > 0 {
		_, err = fmt.Fprintln(out, "They do not begin with the first line ever written: give older files first.")
	}
	return err
}
