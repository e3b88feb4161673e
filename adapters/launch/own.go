package launch

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// owns reports whether the gateway itself may be what listens there.
func (p URLPolicy) owns(addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(p.Own, func(own netip.AddrPort) bool {
		if own.Port() != port {
			return false
		}
		switch mine := own.Addr().Unmap(); {
		case mine.IsUnspecified():
			return addr.IsLoopback() || isLocal(addr)
		case mine.IsLoopback():
			return addr.IsLoopback()
		default:
			return addr == mine
		}
	})
}

func (p URLPolicy) ownsName(name string, port uint16) bool {
	return slices.Contains(p.OwnHosts, net.JoinHostPort(name, strconv.Itoa(int(port))))
}

// isLocal reports whether the address is one of this machine's, which come and
// go. Where they cannot be listed, any may be.
func isLocal(addr netip.Addr) bool {
	locals, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(locals, func(local net.Addr) bool {
		prefix, err := netip.ParsePrefix(local.String())
		return err == nil && prefix.Addr().WithZone("").Unmap() == addr
	})
}
