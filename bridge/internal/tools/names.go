package tools

import (
	"maps"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxNames bounds the names that are known, of all lists together.
	maxNames = 200
	// maxName is the longest name that is known, in bytes.
	maxName = 128
)

// Names are the names of a server's tools, as far as it has listed them. The
// zero value knows none. It is safe for use by several goroutines.
type Names struct {
	mu    sync.Mutex
	known map[string]bool // nil until there was a list
}

// Learn adds the tools of a page of a tools/list result. Names stay known when a
// later list lacks them: lists may differ from user to user. What is no such
// result is passed over.
func (n *Names) Learn(result []byte) {
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if json.Unmarshal(result, &list, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil || list.Tools == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = make(map[string]bool)
	}
	for _, tool := range list.Tools {
		if len(n.known) < maxNames && isName(tool.Name) {
			n.known[tool.Name] = true
		}
	}
}

// isName reports whether a name can be a label.
func isName(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name)
}

// List returns the names that are known, in order. Nil means that the server
// has listed nothing yet, and an empty list that it has no tools.
func (n *Names) List() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		return nil
	}
	list := slices.AppendSeq(make([]string, 0, len(n.known)), maps.Keys(n.known))
	slices.Sort(list)
	return list
}

// has reports whether the name is known.
func (n *Names) has(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[name]
}
