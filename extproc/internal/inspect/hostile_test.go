package inspect

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// hostileBodies are written by hand and put together at random, always the same.
func hostileBodies() [][]byte {
	var all [][]byte
	for _, id := range hostileIDs {
		all = append(all, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"a"}}`, id))
		all = append(all, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{}}`, id))
	}
	for _, value := range hostileValues {
		all = append(all, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":%s},"more":%[1]s}`, value))
		all = append(all, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":%s}`, value))
		all = append(all, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":%s}}`, value))
	}
	random := rand.New(rand.NewPCG(4, 2026))
	for range 20000 {
		all = append(all, randomBody(random))
	}
	return all
}

var (
	hostileIDs = []string{
		`0`, `-0`, `-0.0`, `1`, `-1`, `1.0`, `1.5`, `1e0`, `1E+2`, `10e-1`, `1e-400`, `1e400`, `-1e400`, `1e308`, `0.1`, `1e18`, `1e19`,
		`9007199254740991`, `9007199254740992`, `9007199254740993`, `-9007199254740993`, `9223372036854775807`, `9223372036854775808`,
		`18446744073709551616`, `01`, `+1`, `.5`, `1.`, `0x1`, `NaN`, `Infinity`, `-Infinity`, `1_000`, `null`, `true`, `[]`, `{}`,
		strings.Repeat("9", 400), strings.Repeat("1", maxID), strings.Repeat("1", maxID+1), `0.` + strings.Repeat("0", 1000) + `1`,
		`""`, `"1"`, `"1.0"`, `"null"`, `"\u0031"`, `"\u0000"`, `"é"`, `"e\u0301"`, `"\ud83d\ude00"`, `"😀"`, `"\ud83d"`, `"\ude00\ud83d"`,
		`"\/\b\f\n\r\t\"\\"`, `"\x41"`, `"\u004"`, `"\U00000041"`, "\"\u2028\"", "\"\u007f\"", "\"\ufeff\"", `"\uFFFF"`, `'1'`, "\"\xff\"", "\"\n\"",
	}
	hostileValues = []string{
		`{}`, `[]`, `null`, `true`, `""`, `"a"`, `"\u0061"`, `"tools/call"`, `"tools\/call"`, `"Tools/Call"`, `"a\u0000b"`, `"\ud83d\ude00"`, `"\ud83d"`,
		`1`, `1e400`, `-0`, `0.1e-9999`, strings.Repeat("9", 4000), strings.Repeat("9", 5000), `{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"name":1}`,
		`{"__proto__":{"name":"b"}}`, `{"constructor":{"prototype":{"name":"b"}}}`, `{"":""}`, `[1,]`, `{"a":1,}`, `/**/1`, "\"\u2028\"", "\"\xed\xa0\x80\"",
		strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat("[", 500) + strings.Repeat("]", 500),
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), strings.Repeat("[", 100000),
	}
	envelopeKeys = []string{"method", "method", "id", "id", "params", "params", "result", "error", "Method", "ID", "param\u017f", "PARAMS", "extra", "__proto__",
		"method ", " id", "", "\ufeffid", "method\u0000", "\u0000method", "to\u017fString"}
	paramKeys = []string{"name", "name", "name", "uri", "taskId", "arguments", "_meta", "Name", "NAME", "URI", "taskid", "_Meta", "__proto__", "name\u0000", "", "nam\u0435"}
	methods   = []string{"tools/call", "tools/call", "resources/read", "prompts/get", "tasks/get", "tools/list", "x", "tools/call\u0000", "tools/Call", "töols/call"}
	names     = []string{"a", "", "😀", "a\u0000b", "a/b", "\u2028", "e\u0301", "é", "\\", "\"", "\ufffd"}
)

// randomBody is a message of hostile members in any order, mostly near to a
// good one.
func randomBody(random *rand.Rand) []byte {
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	members := []string{`"jsonrpc":` + quote(random, "2.0")}
	if random.IntN(2) == 0 {
		members = append(members, `"method":`+quote(random, pick(methods)), quote(random, "id")+`:1`, `"params":`+randomParams(random))
	}
	for range random.IntN(4) {
		key := pick(envelopeKeys)
		value := pick(hostileValues[:len(hostileValues)-4])
		switch key {
		case "method", "Method":
			value = quote(random, pick(methods))
		case "id", "ID":
			value = pick(hostileIDs)
		case "params", "PARAMS":
			value = randomParams(random)
		}
		members = append(members, quote(random, key)+pick([]string{":", ": ", "\t:\n"})+value)
	}
	random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	body := []byte("{" + strings.Join(members, pick([]string{",", " , ", ",\r\n"})) + "}")
	if random.IntN(8) == 0 {
		body[random.IntN(len(body))] ^= 1 << random.IntN(8)
	}
	return body
}

func randomParams(random *rand.Rand) string {
	var members []string
	for range random.IntN(4) {
		key := paramKeys[random.IntN(len(paramKeys))]
		value := quote(random, names[random.IntN(len(names))])
		switch {
		case strings.EqualFold(key, metaName):
			value = `{` + quote(random, versionName) + `:` + value + `}`
		case key == argumentsName || random.IntN(6) == 0:
			value = hostileValues[random.IntN(len(hostileValues)-4)]
		}
		members = append(members, quote(random, key)+":"+value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// quote is text in JSON, with characters escaped at random.
func quote(random *rand.Rand, text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r < 0x10000 && (r < ' ' || r == '"' || r == '\\' || random.IntN(12) == 0):
			fmt.Fprintf(&b, []string{`\u%04x`, `\u%04X`}[random.IntN(2)], r)
		case r == '/' && random.IntN(2) == 0:
			b.WriteString(`\/`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}
