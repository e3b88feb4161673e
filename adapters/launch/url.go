package launch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// MaxURLBytes is the longest URL that CheckURL takes.
const MaxURLBytes = 2048

// ErrAddressRefused is wrapped by the errors of CheckURL, CheckTarget and
// Control that are about where the URL leads rather than how it is written.
var ErrAddressRefused = errors.New("a remote server may not have this address")

// URLPolicy says which addresses a remote server may have. The zero value
// allows public and private networks, and refuses loopback. Addresses that are
// link-local, multicast, unspecified or a cloud's metadata service are refused
// always, and whatever holds an IPv4 address (mapped, NAT64, 6to4, Teredo) is
// judged by that one too.
//
// It is written here, and not taken from code.dny.dev/ssrf, because that guard
// is made for the opposite default: it refuses private networks, and what is
// then allowed by prefix (fc00::/7, 100.64.0.0/10) passes before anything is
// denied, the metadata addresses inside those networks included.
type URLPolicy struct {
	// AllowLoopback admits this machine's own loopback addresses.
	AllowLoopback bool
	// Only are the networks that all addresses must be in. None means all.
	Only []netip.Prefix
	// Allow admits addresses that are otherwise refused by default: loopback
	// and reserved ones, but none that are refused always.
	Allow []netip.Prefix
	// Deny refuses more, and wins over Allow and AllowLoopback.
	Deny []netip.Prefix
	// Own are the addresses that the gateway itself listens at: through them a
	// server would be called as whoever the gateway takes the bridge for, and
	// could call itself for ever. They win over Allow and AllowLoopback too. A
	// loopback address stands for all of them, and an unspecified one for every
	// address of this machine.
	Own []netip.AddrPort
	// OwnHosts are names that the gateway is reached by, as host:port in lower
	// case. Only CheckURL knows of names, so that these are a help for people
	// more than a barrier.
	OwnHosts []string
}

// CheckURL judges the URL of a remote server as it is written: http or https, a
// host, no credentials, no fragment, and no literal address that p refuses, in
// any form that some resolver takes for one. Names are not resolved: the
// address that is really dialled is judged by Control. Errors do not show the
// URL, which may hold a key in its query.
func CheckURL(raw string, p URLPolicy) error {
	if len(raw) > MaxURLBytes {
		return fmt.Errorf("the URL is longer than %d bytes", MaxURLBytes)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("the URL is not valid")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL must begin with http:// or https://")
	case u.User != nil:
		return errors.New("the URL must not hold credentials")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return errors.New("the URL must not have a fragment")
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	}
	port, err := portOf(u)
	if err != nil {
		return err
	}
	return p.checkHost(u.Hostname(), port)
}

func portOf(u *url.URL) (uint16, error) {
	port := u.Port()
	if port == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, errors.New("the URL has a colon without a port")
		}
		if u.Scheme == "https" {
			return 443, nil
		}
		return 80, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("the URL's port must be between 1 and 65535")
	}
	return uint16(n), nil
}

// Control is for net.Dialer.Control: it judges the address that is about to be
// dialled, whatever name or redirect led there. Only TCP is allowed.
func (p URLPolicy) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %q", ErrAddressRefused, network)
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: it is none with a port", ErrAddressRefused)
	}
	return p.CheckTarget(target)
}
