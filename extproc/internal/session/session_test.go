package session

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/keys"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

var (
	ann = adapters.Principal{Issuer: "https://issuer", Subject: "ann"}
	bob = adapters.Principal{Issuer: "https://issuer", Subject: "bob"}
)

type fixture struct {
	*Codec
	dir  string
	ring *keys.Ring
	now  time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir(), now: time.Unix(1_800_000_000, 0)}
	if _, err := keys.Generate(f.dir); err != nil {
		t.Fatal(err)
	}
	f.reopen(t)
	return f
}

func (f *fixture) reopen(t *testing.T) {
	t.Helper()
	ring, err := keys.Open(keys.Session, f.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f.ring = ring
	f.Codec = NewCodec(ring, time.Hour, func() time.Time { return f.now })
}

func (f *fixture) mint(t *testing.T) ClientID {
	t.Helper()
	id, _, err := f.Mint(Birth{Adapter: "uid1", PolicyVersion: "7", Endpoint: "ZXA=", Upstream: "up-1", Principal: ann, Role: "reader"})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestMintAndOpen(t *testing.T) {
	f := newFixture(t)
	id, hash, err := f.Mint(Birth{Adapter: "uid1", Endpoint: "ZXA=", Upstream: "up-1", Principal: ann})
	if err != nil || len(hash) != 16 {
		t.Fatalf("hash %q, error %v", hash, err)
	}
	for range 2 { // the second time from memory
		got, err := f.Open(id, "uid1", ann)
		if err != nil {
			t.Fatal(err)
		}
		want := Session{Upstream: "up-1", Endpoint: "ZXA=", Hash: hash}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("session (-want +got):\n%s", diff)
		}
	}
	f.reopen(t)
	if _, err := f.Open(id, "uid1", ann); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestClaims holds the names that Envoy's own checks read.
func TestClaims(t *testing.T) {
	f := newFixture(t)
	id, hash, err := f.Mint(Birth{Adapter: "uid1", PolicyVersion: "7", Endpoint: "ZXA=", Upstream: "up-1", Principal: ann, Role: "reader"})
	if err != nil {
		t.Fatal(err)
	}
	payload, _, err := f.ring.Verify(string(id))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": contract.SessionIssuer, contract.ClaimBinding: contract.SessionBinding("uid1", "7"),
		contract.ClaimEndpoint: "ZXA=", contract.ClaimUpstream: "up-1",
		contract.ClaimSubject: "ann", contract.ClaimIssuer: "https://issuer", contract.ClaimRole: "reader",
		contract.ClaimPrincipalHash: ann.Hash(), contract.ClaimSessionHash: hash,
		contract.ClaimExpiry: float64(1_800_003_600),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestOpenRefuses(t *testing.T) {
	f := newFixture(t)
	id := f.mint(t)
	other := newFixture(t).mint(t)
	if _, err := f.Open(id, "uid1", ann); err != nil { // now it is remembered
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id      ClientID
		adapter adapters.UID
		who     adapters.Principal
		want    Refused
	}{
		"other principal": {id, "uid1", bob, RefusedPrincipal},
		"other issuer":    {id, "uid1", adapters.Principal{Subject: "ann"}, RefusedPrincipal},
		"nobody":          {id, "uid1", adapters.Principal{}, RefusedPrincipal},
		"other adapter":   {id, "uid2", ann, RefusedAdapter},
		"edited":          {id[:len(id)-4] + "AAAA", "uid1", ann, RefusedToken},
		"other ring":      {other, "uid1", ann, RefusedToken},
		"two ids":         {id + "," + id, "uid1", ann, RefusedToken},
		"upstream's id":   {"up-1", "uid1", ann, RefusedToken},
		"empty":           {"", "uid1", ann, RefusedToken},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Open(c.id, c.adapter, c.who)
			if !errors.Is(err, ErrUnknown) || !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestOpenRefusesOtherTokensOfTheRing(t *testing.T) {
	f := newFixture(t)
	for name, payload := range map[string]string{
		"not JSON":     `x`,
		"other issuer": `{"iss":"x","at":"uid1/7","ep":"e","up":"u","usub":"ann","uiss":"https://issuer","sid":"h","exp":9e9}`,
		"no endpoint":  `{"iss":"mooring-session","at":"uid1/7","up":"u","usub":"ann","uiss":"https://issuer","sid":"h","exp":9000000000}`,
		"no upstream":  `{"iss":"mooring-session","at":"uid1/7","ep":"e","usub":"ann","uiss":"https://issuer","sid":"h","exp":9000000000}`,
		"an older one": `{"iss":"mooring-session","aud":"mooring-session","ad":"uid1","pv":"7","ep":"e","up":"u","usub":"ann","uiss":"https://issuer","sid":"h","exp":9000000000}`,
		"no adapter":   `{"iss":"mooring-session","at":"/7","ep":"e","up":"u","usub":"ann","uiss":"https://issuer","sid":"h","exp":9000000000}`,
		"no expiry":    `{"iss":"mooring-session","at":"uid1/7","ep":"e","up":"u","usub":"ann","uiss":"https://issuer","sid":"h"}`,
	} {
		t.Run(name, func(t *testing.T) {
			token, err := f.ring.Sign([]byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Open(ClientID(token), "uid1", ann); !errors.Is(err, ErrUnknown) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestWhatIsRememberedEnds(t *testing.T) {
	t.Run("with the token", func(t *testing.T) {
		f := newFixture(t)
		id := f.mint(t)
		f.now = f.now.Add(time.Hour - time.Second)
		if _, err := f.Open(id, "uid1", ann); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Second)
		if _, err := f.Open(id, "uid1", ann); !errors.Is(err, RefusedExpired) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("with the key", func(t *testing.T) {
		f := newFixture(t)
		id := f.mint(t)
		if _, err := f.Open(id, "uid1", ann); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(f.dir); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Generate(f.dir); err != nil {
			t.Fatal(err)
		}
		ring, err := keys.Open(keys.Session, f.dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		f.Codec.ring = ring
		if _, err := f.Open(id, "uid1", ann); !errors.Is(err, RefusedToken) {
			t.Errorf("error %v", err)
		}
	})
}

func TestUpstreamIDValid(t *testing.T) {
	for id, want := range map[UpstreamID]bool{
		"a": true, "!~": true, "": false, "a b": false, "a\x7f": false, "\x1f": false, "é": false,
		UpstreamID(strings.Repeat("a", 1024)): true,
		UpstreamID(strings.Repeat("a", 1025)): false,
	} {
		if got := id.Valid(); got != want {
			t.Errorf("%.20q: %v", id, got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	if _, err := keys.Generate(dir); err != nil {
		f.Fatal(err)
	}
	ring, err := keys.Open(keys.Session, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"iss":"mooring-session","at":"uid1/7","ep":"e","up":"u","usub":"ann","uiss":"https://issuer","sid":"h","exp":9000000000}`))
	f.Add([]byte(`{}`))
	c := NewCodec(ring, time.Hour, time.Now)
	f.Fuzz(func(t *testing.T, payload []byte) {
		token, err := ring.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Open(ClientID(token), "uid1", ann)
		if err == nil && (s.Endpoint == "" || !s.Upstream.Valid()) {
			t.Errorf("opened %+v", s)
		}
	})
}
