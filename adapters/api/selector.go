package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// requirement is one of the conditions of a label selector.
type requirement struct {
	key string
	// values are those of which the label must have one. None means that the
	// label must only be there.
	values []string
	// not is the opposite of the whole.
	not bool
}

// selector is a list of conditions, all of which must hold. An empty one takes
// everything.
type selector []requirement

// matches reports whether the labels are taken. As in Kubernetes, a label that
// is not there has none of the values.
func (s selector) matches(labels map[string]string) bool {
	for _, r := range s {
		value, there := labels[r.key]
		if (there && (len(r.values) == 0 || slices.Contains(r.values, value))) == r.not {
			return false
		}
	}
	return true
}

// maxSelector bounds the text of a selector, in bytes.
const maxSelector = 4096

// parseSelector reads a label selector as Kubernetes writes them:
// "env=prod,tier in (web, api),!legacy".
func parseSelector(text string) (selector, error) {
	if len(text) > maxSelector {
		return nil, fmt.Errorf("it is longer than %d bytes", maxSelector)
	}
	var s selector
	for rest := strings.TrimSpace(text); rest != ""; {
		end := conditionEnd(rest)
		r, err := parseRequirement(strings.TrimSpace(rest[:end]))
		if err != nil {
			return nil, err
		}
		s = append(s, r)
		if end == len(rest) {
			return s, nil
		}
		if rest = strings.TrimSpace(rest[end+1:]); rest == "" {
			return nil, errors.New("there is nothing after the last comma")
		}
	}
	return s, nil
}

// conditionEnd is where the first condition of text ends: at a comma outside
// parentheses.
func conditionEnd(text string) int {
	depth := 0
	for i := range len(text) {
		switch {
		case text[i] == '(':
			depth++
		case text[i] == ')':
			depth--
		case text[i] == ',' && depth <= 0:
			return i
		}
	}
	return len(text)
}

func parseRequirement(text string) (requirement, error) {
	if key, found := strings.CutPrefix(text, "!"); found {
		return checked(requirement{key: strings.TrimSpace(key), not: true})
	}
	for _, operator := range []string{"!=", "==", "="} {
		if key, value, found := strings.Cut(text, operator); found {
			return checked(requirement{key: strings.TrimSpace(key), values: []string{strings.TrimSpace(value)}, not: operator == "!="})
		}
	}
	key, set, found := strings.Cut(text, " ")
	if !found {
		return checked(requirement{key: text})
	}
	operator, list, _ := strings.Cut(strings.TrimSpace(set), "(")
	operator = strings.TrimSpace(operator)
	list, closed := strings.CutSuffix(list, ")")
	if operator != "in" && operator != "notin" || !closed {
		return requirement{}, fmt.Errorf("%q is no condition: there are key, !key, key=value, key!=value, key in (a, b) and key notin (a, b)", text)
	}
	r := requirement{key: key, not: operator == "notin"}
	for value := range strings.SplitSeq(list, ",") {
		r.values = append(r.values, strings.TrimSpace(value))
	}
	return checked(r)
}

// checked refuses what cannot be a key or a value of a label, which would be
// silently true or false for everything.
func checked(r requirement) (requirement, error) {
	if r.key == "" || strings.ContainsAny(r.key, " ,()=!") {
		return requirement{}, fmt.Errorf("%q is no key of a label", r.key)
	}
	for _, value := range r.values {
		if strings.ContainsAny(value, " ,()=!") {
			return requirement{}, fmt.Errorf("%q is no value of a label", value)
		}
	}
	return r, nil
}
