package apikeys

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters/authn"
)

// TestGateTakesKeysWhereTheyAreOn joins a Keyring with the settings that turn
// it on and off.
func TestGateTakesKeysWhereTheyAreOn(t *testing.T) {
	dir := t.TempDir()
	keys, settings := filepath.Join(dir, "apikeys.json"), filepath.Join(dir, "auth.yaml")
	_, text := add(t, NewFile(keys), time.Now().Add(time.Hour), "a")
	for config, want := range map[string]authn.Reason{
		"apiKeys: true\n": "",
		"issuers: [{url: https://idp.invalid, audiences: [x]}]\n": authn.ReasonAPIKey,
	} {
		if err := os.WriteFile(settings, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		gate, err := authn.Open(authn.Options{
			File: settings, PublicURL: "https://gateway.example", Keys: NewKeyring(keys, nil), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []authn.Authenticator{gate, gate.ForAdapter("a")} {
			p, err := a.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer " + text}})
			switch {
			case want == "" && (err != nil || !p.Has("a")):
				t.Errorf("%s: principal %+v, error %v", config, p, err)
			case want != "" && authn.AsRefusal(err).Reason != want:
				t.Errorf("%s: error %v", config, err)
			}
			_, err = a.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer " + text[:20]}})
			if challenge := authn.AsRefusal(err).Challenge(); !strings.Contains(challenge, "resource_metadata=") || !strings.Contains(challenge, "invalid_token") {
				t.Errorf("%s: challenge %s", config, challenge)
			}
		}
	}
}
