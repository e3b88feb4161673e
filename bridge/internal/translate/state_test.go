package translate_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/translate"
)

func states(t *testing.T, key string) *translate.States {
	t.Helper()
	s, err := translate.NewStates(bytes.Repeat([]byte(key), 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sendFor is send for a message of a user.
func (p *pair) sendFor(user, message string) {
	p.t.Helper()
	if err := p.translated.(*translate.Modern).SendFor(user, []byte(message)); err != nil {
		p.t.Fatal(err)
	}
}

// ask has the server ask ann something, and returns the state for the answer.
func (p *pair) ask() (state string) {
	p.t.Helper()
	p.sendFor("ann", with(callTool, "5", ""))
	p.server(with(callTool, "5", ""))
	p.say(with(elicitation, "1"))
	for _, star := range p.got(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"input_required","requestState":"*","inputRequests":` +
		`{"*":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object"}}}}}}`) {
		if len(star) > len(state) {
			state = star
		}
	}
	return state
}

// TestModernStateIsSealed: nobody but the user who made the call goes on with it,
// only where it waits, only with the state as it was given, and once. Who cannot
// is told why.
func TestModernStateIsSealed(t *testing.T) {
	here := states(t, "k")
	p := old(t, translate.Options{States: here})
	sameBridge := old(t, translate.Options{States: here})
	otherReplica := old(t, translate.Options{States: states(t, "k")})
	otherAdapter := old(t, translate.Options{States: states(t, "x")})
	ownKey := old(t, translate.Options{})
	state := p.ask()
	if strings.Contains(state, "ann") {
		t.Errorf("the state can be read: %s", state)
	}
	flipped := []byte(state)
	flipped[len(flipped)/2] ^= 1
	for name, test := range map[string]struct {
		at                *pair
		user, state, want string
	}{
		"nonsense":         {p, "ann", "nonsense", "not made by this server"},
		"edited":           {p, "ann", string(flipped), "not made by this server"},
		"cut":              {p, "ann", state[:len(state)-1], "not made by this server"},
		"empty":            {p, "ann", "", "not made by this server"},
		"another user":     {p, "bob", state, "another user's"},
		"no user":          {p, "", state, "another user's"},
		"another process":  {sameBridge, "ann", state, "another process"},
		"another replica":  {otherReplica, "ann", state, "another replica"},
		"user and replica": {otherReplica, "bob", state, "another user's"},
		"another adapter":  {otherAdapter, "ann", state, "not made by this server"},
		"no common key":    {ownKey, "ann", state, "not made by this server"},
	} {
		test.at.sendFor(test.user, with(callTool, "6", `,"requestState":"`+test.state+`"`))
		if got := test.at.next(test.at.client); !strings.Contains(got, `"id":6,"error":{"code":-32602,`) || !strings.Contains(got, test.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	p.sendFor("ann", `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"other","requestState":"`+state+`"}}`)
	if got := p.next(p.client); !strings.Contains(got, "another call") {
		t.Error(got)
	}
	// All that changed nothing: the call still waits.
	p.say(`{"jsonrpc":"2.0","id":5,"result":{"content":[]}}`)
	p.say(`{"jsonrpc":"2.0","id":"x","method":"ping"}`)
	p.server(`{"jsonrpc":"2.0","id":"x","result":{}}`)
	for _, want := range []string{`"content":[]`, "does not wait any more"} {
		p.sendFor("ann", with(callTool, "7", `,"requestState":"`+state+`"`))
		if got := p.next(p.client); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
