package launch

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// localNAT64 is for translators of one's own. Where in such an address the IPv4
// address lies is known only to who set one up, so none is taken by default.
const localNAT64 = "64:ff9b:1::/48"

// CheckTarget returns an error wrapping ErrAddressRefused when a remote server
// may not have the address, or not with that port.
func (p URLPolicy) CheckTarget(target netip.AddrPort) error {
	addr := target.Addr().WithZone("").Unmap()
	if !addr.IsValid() {
		return fmt.Errorf("%w: it is none", ErrAddressRefused)
	}
	if reason := p.refusal(addr, target.Port()); reason != "" {
		return fmt.Errorf("%w: %s (%s)", ErrAddressRefused, addr, reason)
	}
	for _, inner := range embedded(addr) {
		if reason := p.refusal(inner, target.Port()); reason != "" {
			return fmt.Errorf("%w: %s holds %s (%s)", ErrAddressRefused, addr, inner, reason)
		}
	}
	return nil
}

// refusal says what is wrong with one address, or "".
func (p URLPolicy) refusal(addr netip.Addr, port uint16) string {
	switch {
	case p.owns(addr, port):
		return "the gateway's own, with port " + strconv.Itoa(int(port))
	case addr.IsUnspecified(), contains(addr, "0.0.0.0/8"):
		return "unspecified"
	case addr.IsMulticast():
		return "multicast"
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "broadcast"
	case isMetadata(addr):
		return "metadata service"
	case addr.IsLinkLocalUnicast():
		return "link-local"
	case anyContains(p.Deny, addr):
		return "denied by the operator"
	case len(p.Only) > 0 && !anyContains(p.Only, addr):
		return "outside the networks that the operator allows"
	case anyContains(p.Allow, addr):
		return ""
	case addr.IsLoopback() && !p.AllowLoopback:
		return "loopback"
	case contains(addr, "240.0.0.0/4"), contains(addr, localNAT64):
		return "reserved"
	}
	return ""
}

// isMetadata knows the addresses where clouds give credentials to whoever
// asks. Most are link-local, and repeated here for the better message.
func isMetadata(addr netip.Addr) bool {
	switch addr.String() {
	case "169.254.169.254", "169.254.170.2", "169.254.170.23", // AWS, Azure, Google and most others; containers on AWS
		"100.100.100.200", // Alibaba
		"168.63.129.16",   // Azure's host
		"192.0.0.192",     // Oracle
		"fd20:ce::254":    // Google
		return true
	}
	return contains(addr, "fd00:ec2::/32") // AWS
}

// embedded returns the IPv4 addresses that packets to addr may end at, by the
// ways in which one is written into an IPv6 address.
func embedded(addr netip.Addr) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	b := addr.As16()
	last := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case addr == netip.IPv6Loopback():
		return nil
	case contains(addr, "64:ff9b::/96"), contains(addr, localNAT64), contains(addr, "::/96"): // NAT64; IPv4-compatible
		return []netip.Addr{last}
	case contains(addr, "2002::/16"): // 6to4
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case contains(addr, "2001::/32"): // Teredo: its server, and its client inverted
		client := binary.BigEndian.AppendUint32(nil, ^binary.BigEndian.Uint32(b[12:16]))
		return []netip.Addr{netip.AddrFrom4([4]byte(b[4:8])), netip.AddrFrom4([4]byte(client))}
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP
		return []netip.Addr{last}
	}
	return nil
}

func contains(addr netip.Addr, prefix string) bool {
	return netip.MustParsePrefix(prefix).Contains(addr)
}

func anyContains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
