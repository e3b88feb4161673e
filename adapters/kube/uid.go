package kube

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mooring-mcp/mooring/adapters"
)

// UIDOf is the id of the adapter whose object has the uid: the same 128 bits, in
// the form of ids.
func UIDOf(uid types.UID) (adapters.UID, error) {
	bits, err := hex.DecodeString(strings.ReplaceAll(string(uid), "-", ""))
	if err != nil || len(bits) != 16 {
		return "", fmt.Errorf("uid %q is not that of RFC 9562", uid)
	}
	return adapters.UID(strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(bits))), nil
}
