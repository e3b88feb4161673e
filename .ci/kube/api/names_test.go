package api

import (
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// names answers every name with the same addresses, as DNS does for a headless
// Service.
type names struct {
	mu        sync.Mutex
	addresses []netip.Addr
}

// add makes it one of them.
func (n *names) add(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses = append(n.addresses, netip.MustParseAddr(address))
}

// serve answers over UDP until the test ends, and returns the port.
func (n *names) serve(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		question := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(question)
			if err != nil {
				return // closed
			}
			if answer, err := n.answer(question[:size]); err == nil {
				_, _ = conn.WriteTo(answer, from) // who asked asks again
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).Port
}

func (n *names) answer(text []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(text); err != nil {
		return nil, err
	}
	message.Response, message.Authoritative, message.Additionals = true, true, nil
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, question := range message.Questions {
		if question.Type != dnsmessage.TypeA {
			continue
		}
		for _, address := range n.addresses {
			message.Answers = append(message.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class},
				Body:   &dnsmessage.AResource{A: address.As4()},
			})
		}
	}
	return message.Pack()
}
