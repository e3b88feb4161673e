package translate

import (
	"encoding/json"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mooring-mcp/mooring/adapters/launch"
	"github.com/mooring-mcp/mooring/envoy/contract"
)

// found is how Envoy's spans come to know what was found out of a request. The zero value is for a gateway whose external processor sees every
// one.
type found struct{ fast bool }

// operator is a formatter's command with its parameter, or by name alone.
type operator struct {
	Command string `json:"command"`
	Param   string `json:"param,omitempty"`
}

// format is that of what is found under the key of contract's metadata: what the
// external processor says, or where Envoy let the request pass by itself, what
// the route and the session's token say. Whose request it is only the header says
// that Envoy makes then: a token that was presented need not be its sender's.
func (f found) format(key string) string {
	said := operator{"DYNAMIC_METADATA", contract.MetadataNamespace + ":" + key}
	if !f.fast {
		return "%" + said.Command + "(" + said.Param + ")%"
	}
	switch key {
	case contract.MetadataAdapter, contract.MetadataEra:
		return firstOf(said, operator{"METADATA", "ROUTE:" + contract.MetadataNamespace + ":" + key})
	case contract.MetadataSession:
		return firstOf(said, operator{"DYNAMIC_METADATA", contract.FilterJWT + ":" + contract.MetadataSessionToken + ":" + contract.ClaimSessionHash})
	case contract.MetadataPrincipal:
		return firstOf(said, operator{"REQ", launch.HeaderPrincipal})
	}
	return "%" + said.Command + "(" + said.Param + ")%"
}

// firstOf is the format of the first that is there.
func firstOf(operators ...operator) string {
	text, err := json.Marshal(map[string][]operator{"operators": operators})
	if err != nil {
		panic("translate: strings cannot fail to marshal: " + err.Error())
	}
	return "%COALESCE(" + string(text) + ")%"
}

// told adds to the fast route what format looks for there.
func told(r *routev3.Route, adapter string) *routev3.Route {
	fields := r.GetMetadata().GetFilterMetadata()[contract.MetadataNamespace].GetFields()
	fields[contract.MetadataAdapter] = structpb.NewStringValue(adapter)
	fields[contract.MetadataEra] = structpb.NewStringValue("legacy")
	return r
}
