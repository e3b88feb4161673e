package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of SplitArgs.
const (
	// MaxArgsBytes is the longest text that SplitArgs takes.
	MaxArgsBytes = 64 << 10
	// MaxArgs is the largest number of words that SplitArgs returns.
	MaxArgs = 64
	// MaxArgRunes is the longest word that SplitArgs returns, in characters.
	MaxArgRunes = 512
)

// SplitArgs splits s into words as a POSIX shell does, without being one:
// quotes and backslashes are honoured, while variables, substitutions, globs,
// comments and operators are plain text, and a word may begin with '#'. Words
// are separated by space, tab, CR and LF. It agrees with Python's shlex.split:
// within double quotes a backslash escapes only itself and the double quote.
//
// A text that is a JSON array of strings is taken as such an array instead. An
// empty text is no words. It is an error when a quote is not closed, when the
// text ends in a backslash, when a word holds a NUL or a line break, and when
// MaxArgsBytes, MaxArgs or MaxArgRunes is exceeded.
func SplitArgs(s string) ([]string, error) {
	if len(s) > MaxArgsBytes {
		return nil, fmt.Errorf("arguments are longer than %d bytes", MaxArgsBytes)
	}
	if words, ok := jsonArgs(s); ok {
		return checkWords(words)
	}
	words, err := splitWords(s)
	if err != nil {
		return nil, err
	}
	return checkWords(words)
}

// jsonArgs reads s as a JSON array that holds nothing but strings.
func jsonArgs(s string) ([]string, bool) {
	if !strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "[") {
		return nil, false
	}
	// Pointers tell null, which is no string, from the empty string.
	var elements []*string
	if json.Unmarshal([]byte(s), &elements) != nil {
		return nil, false
	}
	words := make([]string, 0, len(elements))
	for _, e := range elements {
		if e == nil {
			return nil, false
		}
		words = append(words, *e)
	}
	return words, true
}

func checkWords(words []string) ([]string, error) {
	if len(words) > MaxArgs {
		return nil, fmt.Errorf("there are more than %d arguments", MaxArgs)
	}
	for i, w := range words {
		switch {
		case strings.IndexByte(w, 0) >= 0:
			return nil, fmt.Errorf("argument %d holds a NUL character", i+1)
		case strings.ContainsAny(w, "\r\n"):
			return nil, fmt.Errorf("argument %d holds a line break", i+1)
		case utf8.RuneCountInString(w) > MaxArgRunes:
			return nil, fmt.Errorf("argument %d is longer than %d characters", i+1, MaxArgRunes)
		}
	}
	return words, nil
}

func splitWords(s string) ([]string, error) {
	var words []string
	var word []byte
	inWord := false // tells '' (an empty word) from no word
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\r', '\n':
			if inWord {
				words = append(words, string(word))
				word, inWord = word[:0], false
			}
		case '\\':
			i++
			if i == len(s) {
				return nil, errors.New("the arguments end in a backslash that escapes nothing")
			}
			word, inWord = append(word, s[i]), true
		case '\'', '"':
			text, length, err := quoted(s[i:])
			if err != nil {
				return nil, fmt.Errorf("at byte %d: %w", i, err)
			}
			word, inWord = append(word, text...), true
			i += length - 1
		default:
			word, inWord = append(word, c), true
		}
	}
	if inWord {
		words = append(words, string(word))
	}
	return words, nil
}

// quoted reads the quoted text that s begins with, and returns it bare with
// its length in s, quotes included.
func quoted(s string) (text []byte, length int, err error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			return text, i + 1, nil
		case c == '\\' && quote == '"' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '"'):
			i++
			text = append(text, s[i])
		default:
			text = append(text, c)
		}
	}
	return nil, 0, errors.New("a quote is not closed")
}
