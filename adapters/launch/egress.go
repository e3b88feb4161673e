package launch

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"gopkg.in/yaml.v3"
)

// maxEgress bounds the file that ReadEgress reads, in bytes.
const maxEgress = 1 << 20

// Egress is what the operator says of the networks of remote servers. The zero
// value leaves a URLPolicy as it is.
type Egress struct {
	// Only are the networks that remote servers must be in. None means all that
	// is not refused otherwise.
	Only []netip.Prefix `yaml:"only"`
	// Allow admits reserved addresses: see URLPolicy.
	Allow []netip.Prefix `yaml:"allow"`
	// Deny refuses more, and wins.
	Deny []netip.Prefix `yaml:"deny"`
	// Loopback says whether this machine's own servers are allowed, where the
	// runtime allows them at all. Absent means true.
	Loopback *bool `yaml:"loopback"`
}

// With is p as e narrows or widens it.
func (p URLPolicy) With(e Egress) URLPolicy {
	p.Only = append(p.Only[:len(p.Only):len(p.Only)], e.Only...)
	p.Allow = append(p.Allow[:len(p.Allow):len(p.Allow)], e.Allow...)
	p.Deny = append(p.Deny[:len(p.Deny):len(p.Deny)], e.Deny...)
	if e.Loopback != nil && !*e.Loopback {
		p.AllowLoopback = false
	}
	return p
}

// ReadEgress reads the member egress of the operator's file at path, and
// nothing else of it: the rest is not for bridges. A file without that member,
// or with nothing in it, is the zero Egress.
func ReadEgress(path string) (Egress, error) {
	file, err := os.Open(path)
	if err != nil {
		return Egress{}, fmt.Errorf("reading the operator's rules: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxEgress+1))
	switch {
	case err != nil:
		return Egress{}, fmt.Errorf("reading the operator's rules: %w", err)
	case len(text) > maxEgress:
		return Egress{}, errors.New("reading the operator's rules: the file is too long")
	}
	var rules struct {
		Egress Egress `yaml:"egress"`
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		return Egress{}, fmt.Errorf("reading the operator's rules: %w", err)
	}
	return rules.Egress, nil
}
