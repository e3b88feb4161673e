package adapters

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// AdminRole is the role that may read and change every adapter.
const AdminRole = "mcp.admin"

// Principal is a verified caller. The zero value is nobody, who may do nothing.
type Principal struct {
	// Issuer is who vouches for Subject: an OIDC issuer, or empty in
	// development mode, where nobody does.
	Issuer string
	// Subject is unique and stable within Issuer.
	Subject string
	// Name is for people only: never compared.
	Name string
	// Roles compare exactly as configured.
	Roles []string
}

// ID is what createdBy holds: Subject alone in development mode, else
// Issuer|Subject. It is empty for nobody.
func (p Principal) ID() string {
	if p.Issuer == "" {
		return p.Subject
	}
	return p.Issuer + "|" + p.Subject
}

// Hash is a short digest of ID that logs, metrics' exemplars and bridges may
// see in place of the name: 16 hex characters.
func (p Principal) Hash() string {
	sum := sha256.Sum256([]byte(p.Issuer + "\x00" + p.Subject))
	return hex.EncodeToString(sum[:8])
}

// Has reports whether p holds role.
func (p Principal) Has(role string) bool { return slices.Contains(p.Roles, role) }

// Access is what decides who may read or change an adapter.
type Access struct {
	// CreatedBy is the Principal.ID of the creator.
	CreatedBy string
	// RequiredRoles are the roles of which a reader needs one. Empty means:
	// creator and administrators only.
	RequiredRoles []string
}

// Access is the part of a that decides who may do what.
func (a Adapter) Access() Access {
	return Access{CreatedBy: a.CreatedBy, RequiredRoles: a.RequiredRoles}
}

// MayRead reports whether p may see the adapter and call its tools: its
// creator, a holder of one of RequiredRoles, or an administrator.
func (a Access) MayRead(p Principal) bool {
	return a.MayWrite(p) || a.GrantingRole(p) != ""
}

// MayWrite reports whether p may change or delete the adapter: its creator or
// an administrator.
func (a Access) MayWrite(p Principal) bool {
	id := p.ID()
	return id != "" && (id == a.CreatedBy || p.Has(AdminRole))
}

// GrantingRole is the first of RequiredRoles that p holds, or empty.
func (a Access) GrantingRole(p Principal) string {
	if p.ID() == "" {
		return ""
	}
	for _, role := range a.RequiredRoles {
		if role != "" && p.Has(role) {
			return role
		}
	}
	return ""
}

// NeededRole is the role without which p could not read the adapter: the first
// of RequiredRoles that p holds, or else AdminRole. Empty for the creator, who
// needs none, and for whoever may not read it.
func (a Access) NeededRole(p Principal) string {
	if !a.MayRead(p) || p.ID() == a.CreatedBy {
		return ""
	}
	return cmp.Or(a.GrantingRole(p), AdminRole)
}
