package translate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	exprv1 "cel.dev/expr"
	"google.golang.org/protobuf/proto"

	"github.com/mooring-mcp/mooring/adapters/authn"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// Keys of the metadata of a fast route.
const (
	routeBinding  = "at"
	routeResource = "resource"
	routeCreator  = "creator"
)

const (
	// maxBearer is the longest value of Authorization that the external processor
	// takes: a token of 16 KiB.
	maxBearer = len("Bearer ") + 16<<10
	// latest is the last time that a token may name: the year 9999.
	latest = "253402300799.0"
	// leeway is by how many seconds an issuer's clock may be ahead.
	leeway = "60"
)

// verdict is the expression by which Envoy lets a request of a fast route pass.
// It must hold for none that the external processor would refuse: what it cannot
// be sure of, and whatever ends in an error, as where a claim or a whole token is
// missing, is the processor's. The condition is such an error on all other
// routes, and the rest is not looked at then. Of parts one of which must hold, the
// likeliest is first, and spares the others: one that has an error is outweighed
// by one that holds.
func verdict(t Trust) string {
	tokens := "metadata.filter_metadata[" + quote(contract.FilterJWT) + "]"
	session := func(claim string) string { return tokens + "[" + quote(contract.MetadataSessionToken) + "]." + claim }
	route := func(key string) string {
		return "xds.route_metadata.filter_metadata[" + quote(contract.MetadataNamespace) + "]." + key
	}
	var bearers []string
	for _, issuer := range t.believed() {
		for _, name := range issuer.Names {
			bearers = append(bearers, bearerTerm(issuer, tokens, tokenKey(issuer, name), session, route))
		}
	}
	return session(contract.ClaimBinding) + " == " + route(routeBinding) + " ? " + allOf(
		"int(request.time) < int("+session(contract.ClaimExpiry)+")",
		// Routes see only the first of two headers of one name.
		"!request.headers['"+headerSession+"'].contains(',')",
		"(!request.headers['"+headerVersion+"'].contains(',') || !('"+headerVersion+"' in request.headers))",
		"size(request.headers['authorization']) <= "+strconv.Itoa(maxBearer),
		anyOf(bearers...),
	) + " : false"
}

// bearerTerm holds for a bearer token under that key which is as the issuer's
// rules want it, of the session's principal, and still has the role by which the
// session was begun.
func bearerTerm(i authn.TrustedIssuer, tokens, key string, session, route func(string) string) string {
	token := tokens + "[" + quote(key) + "]"
	terms := []string{
		headerTerm(tokens + "[" + quote(headerKey(key)) + "]"),
		session(contract.ClaimIssuer) + " == " + quote(i.Issuer.URL),
		session(contract.ClaimSubject) + " == " + at(token, i.Subject),
		token + ".exp <= " + latest,
		"(int(" + token + ".iat) <= int(request.time) + " + leeway + " || !('iat' in " + token + "))",
		audienceTerm(i, token, route(routeResource)),
		roleTerm(i, token, session(contract.ClaimRole), creatorTerm(session, route(routeCreator))),
	}
	for _, required := range i.Required {
		terms = append(terms, anyValue(at(token, required.Path), required.Values))
	}
	for _, scope := range i.Issuer.RequiredScopes {
		terms = append(terms, scopeTerm(i, token, scope))
	}
	return allOf(terms...)
}

// headerTerm holds that a token's header is one that the external processor
// takes: it names a key, without which the processor may choose another, and has
// no member but those that are known to be harmless. Each key names its
// algorithm, and so that of the header.
func headerTerm(header string) string {
	kind := header + ".typ in ['JWT', 'jwt', 'at+jwt', 'application/at+jwt']"
	return allOf(header+".kid != ''", anyOf(
		allOf("size("+header+") == 3", kind),
		"size("+header+") == 2",
		allOf("size("+header+") == 4", kind, "'x5t' in "+header),
	))
}

// audienceTerm holds that a token is meant for the adapter.
func audienceTerm(i authn.TrustedIssuer, token, resource string) string {
	own := anyOf(resource+" == "+token+".aud", resource+" in "+token+".aud")
	gateway := anyValue(token+".aud", i.Audiences)
	switch i.Issuer.AdapterAudience {
	case authn.AdapterAudienceRequired:
		return own
	case authn.AdapterAudienceIgnored:
		return gateway
	default:
		return anyOf(gateway, own)
	}
}

// creatorTerm holds that the session's principal is the adapter's creator, whose
// id is the issuer, a bar and the subject: texts cannot be joined in Envoy.
func creatorTerm(session func(string) string, creator string) string {
	issuer, subject := session(contract.ClaimIssuer), session(contract.ClaimSubject)
	return allOf(creator+".startsWith("+issuer+")", creator+".endsWith("+subject+")",
		"size("+creator+") == size("+issuer+") + size("+subject+") + 1")
}

// roleTerm holds that the principal has the role still, or needs none, and that
// each claim of roles has a form that the external processor takes: it refuses a
// token with another.
func roleTerm(i authn.TrustedIssuer, token, needed, created string) string {
	var has, forms []string
	for _, path := range i.Roles {
		claim := at(token, path)
		has = append(has, needed+" in "+claim, needed+" == "+claim)
		forms = append(forms, anyOf("type("+claim+") == list", absent(token, path), "type("+claim+") == string", claim+" == null"))
	}
	if len(i.Issuer.Roles) > 0 {
		has = append(has, needed+" in "+list(i.Issuer.Roles))
	}
	has = append(has, allOf(needed+" == ''", created))
	return allOf(append(forms, anyOf(has...))...)
}

// scopeTerm holds that a token has the scope: as a word of a text, or in a list.
func scopeTerm(i authn.TrustedIssuer, token, scope string) string {
	var has []string
	for _, name := range []string{"scope", "scp"} {
		claim := token + "." + name
		has = append(has, claim+" == "+quote(scope), quote(scope)+" in "+claim,
			claim+".startsWith("+quote(scope+" ")+")", claim+".endsWith("+quote(" "+scope)+")", claim+".contains("+quote(" "+scope+" ")+")")
	}
	if i.Issuer.Entra {
		has = append(has, allOf("!('scope' in "+token+")", "!('scp' in "+token+")",
			anyOf(token+".roles == "+quote(scope), quote(scope)+" in "+token+".roles")))
	}
	return anyOf(has...)
}

// anyValue holds that a claim is one of the values, or a list with one of them.
// What has no such operation is an error, which a true part outweighs.
func anyValue(claim string, values []string) string {
	terms := []string{claim + " in " + list(values)}
	for _, value := range values {
		terms = append(terms, quote(value)+" in "+claim)
	}
	return anyOf(terms...)
}

// at is the claim that path leads to.
func at(token string, path []string) string {
	for _, name := range path {
		token += "[" + quote(name) + "]"
	}
	return token
}

// absent holds where the claim that path leads to is not there.
func absent(token string, path []string) string {
	var terms []string
	for n, name := range path {
		terms = append(terms, "!("+quote(name)+" in "+at(token, path[:n])+")")
	}
	return anyOf(terms...)
}

func allOf(terms ...string) string { return "(" + strings.Join(terms, " && ") + ")" }
func anyOf(terms ...string) string { return "(" + strings.Join(terms, " || ") + ")" }

func list(values []string) string {
	quoted := slices.Clone(values)
	for i, value := range quoted {
		quoted[i] = quote(value)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote is text as a literal of the expression language, whose escapes are among
// Go's for ASCII.
func quote(text string) string { return strconv.QuoteToASCII(text) }

// parsed is an expression in the form that Envoy takes, which cannot parse any.
func parsed(expression string) (*exprv1.ParsedExpr, error) {
	env, err := cel.NewEnv()
	if err != nil {
		return nil, fmt.Errorf("making a parser of expressions: %w", err)
	}
	tree, issues := env.Parse(expression)
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("parsing the verdict's expression: %w", err)
	}
	old, err := cel.AstToParsedExpr(tree)
	if err != nil {
		return nil, fmt.Errorf("encoding the verdict's expression: %w", err)
	}
	// The same messages under their old and their new name.
	text, err := proto.Marshal(old)
	if err != nil {
		return nil, fmt.Errorf("encoding the verdict's expression: %w", err)
	}
	out := new(exprv1.ParsedExpr)
	if err := proto.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("encoding the verdict's expression: %w", err)
	}
	// Of no use to Envoy, and half of the size.
	out.SourceInfo = nil
	return out, nil
}
