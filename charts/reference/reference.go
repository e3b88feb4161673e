// Package reference writes the page of the chart's values, of the comments in its
// values.yaml. It knows nothing of what they mean.
package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// Value is one that can be set.
type Value struct {
	// Path is its name, with dots between.
	Path string
	// Default is what it is when nobody sets it, as JSON.
	Default string
	// Help is its comment.
	Help string
}

// Values are those of values.yaml, in its order: all that have a comment, and that
// must be all but those that only hold others.
func Values(text []byte) ([]Value, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("reading the chart's values: %w", err)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("reading the chart's values: not one mapping")
	}
	return values("", document.Content[0])
}

func values(prefix string, mapping *yaml.Node) ([]Value, error) {
	var all []Value
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, node := mapping.Content[i], mapping.Content[i+1]
		path := prefix + key.Value
		help := comment(key.HeadComment)
		if help == "" && node.Kind == yaml.MappingNode && len(node.Content) > 0 {
			within, err := values(path+".", node)
			if err != nil {
				return nil, err
			}
			all = append(all, within...)
			continue
		}
		if help == "" {
			return nil, fmt.Errorf("reading the chart's values: line %d: %s has no comment", key.Line, path)
		}
		text, err := encode(node)
		if err != nil {
			return nil, fmt.Errorf("reading the chart's values: %s: %w", path, err)
		}
		all = append(all, Value{Path: path, Default: text, Help: help})
	}
	return all, nil
}

// comment is the text of the last paragraph of a comment: one before it is about
// what follows as a whole.
func comment(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	var lines []string
	for line := range strings.Lines(paragraphs[len(paragraphs)-1]) {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(line, "#")))
	}
	return strings.TrimSpace(strings.Join(lines, " "))
}

func encode(node *yaml.Node) (string, error) {
	var v any
	if err := node.Decode(&v); err != nil {
		return "", err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSpace(text.String()), nil
}

// Page is the README of the chart: what stands before the values, and they.
func Page(head string, all []Value) []byte {
	var page strings.Builder
	page.WriteString(head)
	page.WriteString("\n## Values\n\nEverything that is not here is refused.\n\n| value | default | meaning |\n| --- | --- | --- |\n")
	for _, v := range all {
		fmt.Fprintf(&page, "| `%s` | `%s` | %s |\n", v.Path, v.Default, strings.ReplaceAll(v.Help, "|", `\|`))
	}
	return []byte(page.String())
}
