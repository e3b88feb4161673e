package keycloak

import "net/http"

type object = map[string]any

// secret is the one of the client for scripts.
const secret = "not-a-secret-of-a-script"

// configure makes the realm as docs/how-to/keycloak.md says: a scope that brings
// the audience, roles, a client for people and one for scripts, and Ann.
func (s *server) configure() {
	s.t.Helper()
	s.ask(http.MethodPost, "", object{"realm": realm, "enabled": true, "sslRequired": "none"}, nil)
	at := "/" + realm
	scope := s.ask(http.MethodPost, at+"/client-scopes", object{
		"name": "mcp.use", "protocol": "openid-connect",
		"attributes": object{"include.in.token.scope": "true"},
		"protocolMappers": []object{{
			"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
			"config": object{"included.custom.audience": "mooring", "access.token.claim": "true"},
		}},
	}, nil)
	s.ask(http.MethodPut, at+"/default-optional-client-scopes/"+scope, nil, nil)
	for _, role := range []string{"mcp.admin", "reader"} {
		s.ask(http.MethodPost, at+"/roles", object{"name": role}, nil)
	}
	s.ask(http.MethodPost, at+"/clients", object{
		"clientId": "laptop", "publicClient": true, "redirectUris": []string{"http://127.0.0.1/*"},
		"attributes": object{"pkce.code.challenge.method": "S256"},
	}, nil)
	script := s.ask(http.MethodPost, at+"/clients", object{
		"clientId": "ci", "secret": secret, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
	}, nil)
	var account struct{ ID string }
	s.ask(http.MethodGet, at+"/clients/"+script+"/service-account-user", nil, &account)
	s.give(account.ID, "mcp.admin")
	ann := s.ask(http.MethodPost, at+"/users", object{
		"username": "ann", "enabled": true, "firstName": "Ann", "lastName": "A", "email": "ann@acme.example", "emailVerified": true,
		"credentials": []object{{"type": "password", "value": password, "temporary": false}},
	}, nil)
	s.give(ann, "reader")
}

// give gives a role of the realm to a user.
func (s *server) give(user, role string) {
	s.t.Helper()
	var found object
	s.ask(http.MethodGet, "/"+realm+"/roles/"+role, nil, &found)
	s.ask(http.MethodPost, "/"+realm+"/users/"+user+"/role-mappings/realm", []object{found}, nil)
}

// rotate makes a key that signs from now on, and answers what takes away those
// there were.
func (s *server) rotate() (removeOld func()) {
	s.t.Helper()
	const provider = "org.keycloak.keys.KeyProvider"
	var old []struct{ ID, ProviderID string }
	s.ask(http.MethodGet, "/"+realm+"/components?type="+provider, nil, &old)
	var settings struct{ ID string }
	s.ask(http.MethodGet, "/"+realm, nil, &settings)
	s.ask(http.MethodPost, "/"+realm+"/components", object{
		"name": "next", "providerId": "rsa-generated", "providerType": provider, "parentId": settings.ID,
		"config": object{"priority": []string{"1000"}, "enabled": []string{"true"}, "active": []string{"true"}, "algorithm": []string{"RS256"}},
	}, nil)
	return func() {
		for _, key := range old {
			if key.ProviderID == "rsa-generated" {
				s.ask(http.MethodDelete, "/"+realm+"/components/"+key.ID, nil, nil)
			}
		}
	}
}
