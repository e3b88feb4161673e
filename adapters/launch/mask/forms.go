package mask

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// formsOf is how programs write value. Some forms are there twice.
func formsOf(value string) []string {
	if value == "" {
		return nil
	}
	forms := append([]string{value}, percentForms(value)...)
	forms = append(forms, jsonForms(value)...)
	return append(forms, base64Forms(value)...)
}

// percentForms are value with percent escapes: what is left alone differs by
// language, and so does the case of the digits.
func percentForms(value string) []string {
	var forms []string
	for _, safe := range []string{
		"-_.~",                 // RFC 3986, Python's quote_plus, Go's QueryEscape
		"-_.~/",                // Python's quote
		"-_.~$&+=:@",           // Go's PathEscape
		"-_.!~*'()",            // encodeURIComponent
		"-_.!~*'();/?:@&=+$,#", // encodeURI
		"-_.*",                 // forms of HTML, and Java
		"-_.",                  // PHP's urlencode
	} {
		for _, digits := range []string{"0123456789ABCDEF", "0123456789abcdef"} {
			text := percent(value, safe, digits)
			forms = append(forms, text, strings.ReplaceAll(text, "%20", "+"))
		}
	}
	return forms
}

func percent(value, safe, digits string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// jsonForms are the insides of value as a JSON string: what is escaped without
// need differs by language.
func jsonForms(value string) []string {
	var forms []string
	for _, extra := range []string{"", "<>&\u2028\u2029", "<>&='\u2028\u2029", "<>&+'\"`"} {
		for _, ascii := range []bool{false, true} {
			for _, hex := range []string{`\u%04x`, `\u%04X`} {
				text := jsonText(value, extra, ascii, hex)
				forms = append(forms, text, strings.ReplaceAll(text, "/", `\/`))
			}
		}
	}
	return forms
}

// jsonText escapes what JSON must, and those in extra, and what is not ASCII
// where ascii says so.
func jsonText(value, extra string, ascii bool, hex string) string {
	short := map[rune]string{'\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '"': `\"`, '\\': `\\`}
	var b strings.Builder
	for _, r := range value {
		text, named := short[r]
		switch {
		case strings.ContainsRune(extra, r), r < ' ' && !named, ascii && r > '~':
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&b, hex, unit)
			}
		case named:
			b.WriteString(text)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// base64Forms are value in base64, by itself and inside of something longer such
// as the user:password of Basic: where it begins there decides between three
// forms, and what is before and behind it changes the characters at its ends,
// which tell a few bits each and are left out.
func base64Forms(value string) []string {
	var forms []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := encoding.EncodeToString(append(make([]byte, before), value...))
			first, whole := (before*8+5)/6, (before+len(value))*8/6
			// Where nothing follows, the last character is known too.
			for _, form := range []string{text[first:], text[first:whole]} {
				if len(form) >= shortest {
					forms = append(forms, form)
				}
			}
		}
	}
	return forms
}

// lines are those of value that are secrets by themselves: logs have a line
// where the secret has one.
func lines(value string) []string {
	var long []string
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); utf8.RuneCountInString(line) >= shortest && line != value {
			long = append(long, line)
		}
	}
	return long
}
