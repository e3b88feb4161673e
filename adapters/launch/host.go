package launch

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// checkHost judges a host as it is written in a URL, with the port there.
func (p URLPolicy) checkHost(host string, port uint16) error {
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return errors.New("the URL's host is not a valid IPv6 address")
		}
		if addr.Zone() != "" {
			return fmt.Errorf("%w: it has a zone", ErrAddressRefused)
		}
		return p.CheckTarget(netip.AddrPortFrom(addr, port))
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if err := checkName(name); err != nil {
		return err
	}
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	if last == "localhost" {
		if reason := p.refusal(netip.IPv6Loopback(), port); reason != "" {
			return fmt.Errorf("%w: localhost (%s)", ErrAddressRefused, reason)
		}
		return nil
	}
	// As browsers do it: when the last part is a number, it is an address or
	// nothing. C resolvers take 2130706433, 0x7f.1 and 0177.0.0.1 for 127.0.0.1.
	if numeric(last) {
		addr, ok := oddIPv4(labels)
		if !ok {
			return errors.New("the URL's host is not a valid IPv4 address")
		}
		return p.CheckTarget(netip.AddrPortFrom(addr, port))
	}
	if p.ownsName(name, port) {
		return fmt.Errorf("%w: %s (the gateway's own)", ErrAddressRefused, name)
	}
	return nil
}

// checkName takes the letters of host names, with the underscore that some
// private ones have. Other scripts have to be written in their xn-- form, since
// what they map to (full-width digits, for one) is not what is seen.
func checkName(name string) error {
	if len(name) > 253 {
		return errors.New("the URL's host is longer than 253 characters")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("the URL's host has an empty part or one longer than 63 characters")
		}
	}
	bad := strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
	if bad >= 0 {
		return errors.New("the URL's host may hold only letters, digits, '-', '_' and '.'")
	}
	return nil
}

// oddIPv4 reads up to four decimal, octal or hexadecimal numbers, of which the
// last fills all bytes that are left, as inet_aton does.
func oddIPv4(labels []string) (netip.Addr, bool) {
	if len(labels) > 4 {
		return netip.Addr{}, false
	}
	var bits uint64
	for i, label := range labels {
		n, ok := number(label)
		if !ok {
			return netip.Addr{}, false
		}
		if i < len(labels)-1 {
			if n > 0xff {
				return netip.Addr{}, false
			}
			bits |= n << (24 - 8*i)
			continue
		}
		if n >= 1<<(32-8*i) {
			return netip.Addr{}, false
		}
		bits |= n
	}
	return netip.AddrFrom4([4]byte{byte(bits >> 24), byte(bits >> 16), byte(bits >> 8), byte(bits)}), true
}

// number reads s as C does: 0x begins a hexadecimal number, 0 an octal one.
func number(s string) (uint64, bool) {
	base := 10
	switch {
	case strings.HasPrefix(s, "0x"):
		if s == "0x" {
			return 0, true // inet_aton takes it for zero
		}
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	n, err := strconv.ParseUint(s, base, 32)
	return n, err == nil
}

// numeric reports whether s is meant as a number, be it too large or not.
func numeric(s string) bool {
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(s, "0123456789") == ""
}
