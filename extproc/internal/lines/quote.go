package lines

import "unicode/utf8"

// appendQuoted adds text as a string of JSON, which is one line for whoever reads
// it: all that ends lines elsewhere is escaped. Bytes of no character become
// U+FFFD.
//
// https://www.rfc-editor.org/rfc/rfc8259#section-7
func appendQuoted(out []byte, text string) []byte {
	out = append(out, '"')
	plain := 0 // where what needs no change begins
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if isPlain(r, size) {
			i += size
			continue
		}
		out = appendEscaped(append(out, text[plain:i]...), r)
		i += size
		plain = i
	}
	out = append(out, text[plain:]...)
	return append(out, '"')
}

// isPlain reports whether a character of that many bytes stands for itself.
func isPlain(r rune, size int) bool {
	switch r {
	case '"', '\\', 0x7f, 0x85, 0x2028, 0x2029:
		return false
	case utf8.RuneError:
		return size > 1
	}
	return r >= ' '
}

func appendEscaped(out []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(out, '\\', byte(r))
	}
	return append(out, '\\', 'u', digits[r>>12&0xf], digits[r>>8&0xf], digits[r>>4&0xf], digits[r&0xf])
}
