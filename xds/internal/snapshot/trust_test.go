package snapshot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/envoy/contract"
	"github.com/mooring-mcp/mooring/xds/internal/translate"
)

// truster trusts one issuer, whose keys say what they are.
type truster struct {
	keys string
	err  error
}

func (t *truster) Trust() (translate.Trust, error) {
	return translate.Trust{
		SessionKeys: []byte("session keys"),
		Issuers:     []authn.TrustedIssuer{{Names: []string{"https://issuer.example"}, Subject: []string{"sub"}, KeySet: []byte(t.keys)}},
	}, t.err
}

func (*truster) Changes(context.Context) <-chan struct{} { return nil }

func newFastBench(t *testing.T) (*bench, *truster) {
	t.Helper()
	b, who := newBench(t), &truster{keys: "first keys"}
	translator, err := translate.New(translate.Settings{Listen: "127.0.0.1:8080", OpsListen: "127.0.0.1:9090", Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	b.config.Translator, b.config.Truster = translator, who
	a := b.add("one")
	a.Inspection = adapters.InspectionSession
	if _, err := b.store.Update(t.Context(), a, a.Revision); err != nil {
		t.Fatal(err)
	}
	b.makeRound()
	b.Opened(1)
	return b, who
}

// believes reports whether the published filters verify tokens with the keys.
func (b *bench) believes(keys string) bool {
	b.t.Helper()
	published := b.state.published.snapshot.GetResources(resourcev3.ExtensionConfigType)
	text := published[contract.FilterJWT].(interface{ String() string }).String()
	return strings.Contains(text, keys)
}

// TestRefusedFiltersBelieveNobody: an Envoy that refuses filters goes on with
// those that it had, whose keys may have been taken back.
func TestRefusedFiltersBelieveNobody(t *testing.T) {
	b, who := newFastBench(t)
	if !b.believes("first keys") || !b.believes("session keys") {
		t.Fatal("the keys are not published")
	}
	b.Acked(1, b.send(1, resourcev3.ExtensionConfigType))
	who.keys = "second keys"
	b.makeRound()
	late := b.send(1, resourcev3.ExtensionConfigType)
	b.Nacked(1, b.send(1, resourcev3.ExtensionConfigType), "bad keys")
	b.makeRound()
	if b.believes("keys") {
		t.Error("refused filters are published")
	}
	// Nor is it tried again and again, even where nothing is taken.
	b.Nacked(1, b.send(1, resourcev3.ExtensionConfigType), "bad filter")
	before := b.state.published
	b.makeRound()
	if b.state.published != before {
		t.Error("something else is published, though nothing changed")
	}
	who.keys = "third keys"
	b.makeRound()
	b.Nacked(1, late, "the second keys, late")
	b.makeRound()
	if !b.believes("third keys") {
		t.Error("other filters are not published")
	}
}

func TestTrustThatFailsLeavesWhatIsPublished(t *testing.T) {
	b, who := newFastBench(t)
	before := b.state.published
	who.err = errors.New("no memory")
	if _, err := b.round(t.Context(), time.Now()); err == nil || b.state.published != before {
		t.Errorf("error %v, and something else is published: %v", err, b.state.published != before)
	}
}
