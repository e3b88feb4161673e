package inspect

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want Message
	}{
		"request": {
			`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
			Message{Kind: Request, ID: []byte("1"), Method: "tools/list"},
		},
		"order does not matter": {
			`{"params":{"arguments":{"name":"x","Name":"y"},"name":"add"},"method":"tools/call","id":"a","jsonrpc":"2.0"}`,
			Message{Kind: Request, ID: []byte(`"a"`), Method: "tools/call", Name: "add", HasName: true},
		},
		"escapes": {
			`{"jsonrpc":"2.0","id":"\u0061\n","m\u0065thod":"tools\/call","params":{"name":"\ud83d\ude00"}}`,
			Message{Kind: Request, ID: []byte(`"\u0061\n"`), Method: "tools/call", Name: "😀", HasName: true},
		},
		"id keeps its form": {
			`{"jsonrpc":"2.0","id":-1.50E+02 ,"method":"ping"}`,
			Message{Kind: Request, ID: []byte("-1.50E+02"), Method: "ping"},
		},
		"id beyond 2^53": {
			`{"jsonrpc":"2.0","id":90071992547409931234,"method":"ping"}`,
			Message{Kind: Request, ID: []byte("90071992547409931234"), Method: "ping"},
		},
		"uri": {
			`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a","name":7}}`,
			Message{Kind: Request, ID: []byte("1"), Method: "resources/read", Name: "file:///a", HasName: true},
		},
		"task": {
			`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":""}}`,
			Message{Kind: Request, ID: []byte("1"), Method: "tasks/get", HasName: true},
		},
		"version in _meta": {
			`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
			Message{Kind: Request, ID: []byte("1"), Method: "server/discover", ProtocolVersion: "2026-07-28"},
		},
		"unknown methods call their params what they like": {
			`{"jsonrpc":"2.0","id":1,"method":"x/y","params":{"name":1,"Name":2,"URI":[]},"extra":{"ID":1}}`,
			Message{Kind: Request, ID: []byte("1"), Method: "x/y"},
		},
		"notification":  {`{"jsonrpc":"2.0","method":"notifications/initialized"}`, Message{Kind: Notification, Method: "notifications/initialized"}},
		"null params":   {`{"jsonrpc":"2.0","method":"a","params":null}`, Message{Kind: Notification, Method: "a"}},
		"null meta":     {`{"jsonrpc":"2.0","method":"a","params":{"_meta":null}}`, Message{Kind: Notification, Method: "a"}},
		"result":        {`{"jsonrpc":"2.0","id":7,"result":{}}`, Message{Kind: Response, ID: []byte("7")}},
		"error":         {`{"jsonrpc":"2.0","id":7,"error":{"code":1}}`, Message{Kind: Response, ID: []byte("7")}},
		"error, no id":  {`{"jsonrpc":"2.0","id":null,"error":{"code":1}}`, Message{Kind: Response}},
		"spaces around": {" \r\n\t{\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n ", Message{Kind: Notification, Method: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(Limits{})
			for chunking, body := range map[string]io.Reader{
				"whole":   strings.NewReader(c.body),
				"bytes":   iotest.OneByteReader(strings.NewReader(c.body)),
				"halves":  iotest.HalfReader(strings.NewReader(c.body)),
				"dataerr": iotest.DataErrReader(strings.NewReader(c.body)),
			} {
				got, err := i.Read(body)
				if err != nil {
					t.Fatalf("%s: %v", chunking, err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s: message (-want +got):\n%s", chunking, diff)
				}
			}
		})
	}
}

func nested(depth int) string {
	return `{"jsonrpc":"2.0","method":"a","params":{"a":` + strings.Repeat("[", depth-2) + strings.Repeat("]", depth-2) + `}}`
}

func TestReadRefuses(t *testing.T) {
	const ok = `"jsonrpc":"2.0","id":1,"method":"tools/call"`
	for name, c := range map[string]struct{ body, reason string }{
		"empty":                    {"", FaultEmpty},
		"spaces":                   {" \n", FaultEmpty},
		"truncated":                {`{` + ok, FaultSyntax},
		"byte order mark":          {"\ufeff{" + ok + "}", FaultSyntax},
		"UTF-16":                   {"{\x00\"\x00", FaultSyntax},
		"invalid UTF-8":            {`{` + ok + `,"a":"` + "\xff" + `"}`, FaultSyntax},
		"overlong UTF-8":           {`{` + ok + `,"a":"` + "\xc0\xaf" + `"}`, FaultSyntax},
		"lone surrogate":           {`{` + ok + `,"a":"\ud800"}`, FaultSyntax},
		"control in string":        {`{` + ok + `,"a":"` + "\n" + `"}`, FaultSyntax},
		"trailing data":            {`{` + ok + `}{}`, FaultSyntax},
		"trailing garbage":         {`{` + ok + `}x`, FaultSyntax},
		"trailing NUL":             {`{` + ok + "}\x00", FaultSyntax},
		"comment":                  {`{/**/` + ok + `}`, FaultSyntax},
		"trailing comma":           {`{` + ok + `,}`, FaultSyntax},
		"NaN":                      {`{` + ok + `,"a":NaN}`, FaultSyntax},
		"leading zero":             {`{"jsonrpc":"2.0","id":01,"method":"a"}`, FaultSyntax},
		"plus sign":                {`{"jsonrpc":"2.0","id":+1,"method":"a"}`, FaultSyntax},
		"batch":                    {`[{` + ok + `}]`, FaultBatch},
		"scalar":                   {`1`, FaultEnvelope},
		"string":                   {`"a"`, FaultEnvelope},
		"duplicate method":         {`{` + ok + `,"method":"a"}`, FaultUnsafe},
		"duplicate by escape":      {`{` + ok + `,"m\u0065thod":"a"}`, FaultUnsafe},
		"duplicate name":           {`{` + ok + `,"params":{"name":"a","name":"b"}}`, FaultUnsafe},
		"duplicate deep":           {`{` + ok + `,"params":{"arguments":{"x":[{"y":1,"y":2}]}}}`, FaultUnsafe},
		"duplicate in unknown":     {`{` + ok + `,"x":{"y":1,"y":2}}`, FaultUnsafe},
		"case of method":           {`{` + ok + `,"Method":"a"}`, FaultUnsafe},
		"case of id":               {`{` + ok + `,"ID":2}`, FaultUnsafe},
		"case of params":           {`{` + ok + `,"PARAMS":{}}`, FaultUnsafe},
		"fold of params":           {`{` + ok + `,"param` + "\u017f" + `":{}}`, FaultUnsafe},
		"case of jsonrpc":          {`{` + ok + `,"JsonRpc":"2.0"}`, FaultUnsafe},
		"case of name":             {`{` + ok + `,"params":{"name":"a","Name":"b"}}`, FaultUnsafe},
		"case of name alone":       {`{` + ok + `,"params":{"NAME":"b"}}`, FaultUnsafe},
		"case of arguments":        {`{` + ok + `,"params":{"name":"a","Arguments":{}}}`, FaultUnsafe},
		"case of name, method 2nd": {`{"params":{"Name":"b"},` + ok + `}`, FaultUnsafe},
		"case of uri":              {`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"URI":"a"}}`, FaultUnsafe},
		"case of taskId":           {`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskid":"a"}}`, FaultUnsafe},
		"case of _meta":            {`{` + ok + `,"params":{"_Meta":{}}}`, FaultUnsafe},
		"case of version":          {`{` + ok + `,"params":{"_meta":{"io.modelcontextprotocol/protocolversion":"a"}}}`, FaultUnsafe},
		"too deep":                 {nested(129), FaultDepth},
		"no jsonrpc":               {`{"id":1,"method":"a"}`, FaultEnvelope},
		"jsonrpc 1.0":              {`{"jsonrpc":"1.0","id":1,"method":"a"}`, FaultEnvelope},
		"jsonrpc number":           {`{"jsonrpc":2.0,"id":1,"method":"a"}`, FaultEnvelope},
		"null id":                  {`{"jsonrpc":"2.0","id":null,"method":"a"}`, FaultEnvelope},
		"boolean id":               {`{"jsonrpc":"2.0","id":true,"method":"a"}`, FaultEnvelope},
		"object id":                {`{"jsonrpc":"2.0","id":{},"method":"a"}`, FaultEnvelope},
		"long id":                  {`{"jsonrpc":"2.0","id":"` + strings.Repeat("a", maxID) + `","method":"a"}`, FaultEnvelope},
		"method number":            {`{"jsonrpc":"2.0","id":1,"method":1}`, FaultEnvelope},
		"method empty":             {`{"jsonrpc":"2.0","id":1,"method":""}`, FaultEnvelope},
		"long method":              {`{"jsonrpc":"2.0","method":"` + strings.Repeat("a", maxMethod+1) + `"}`, FaultEnvelope},
		"params array":             {`{` + ok + `,"params":["a"]}`, FaultEnvelope},
		"params string":            {`{` + ok + `,"params":"a"}`, FaultEnvelope},
		"meta array":               {`{` + ok + `,"params":{"_meta":[]}}`, FaultEnvelope},
		"version number":           {`{` + ok + `,"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":1}}}`, FaultParams},
		"name number":              {`{` + ok + `,"params":{"name":1}}`, FaultParams},
		"method and result":        {`{` + ok + `,"result":1}`, FaultEnvelope},
		"result and error":         {`{"jsonrpc":"2.0","id":1,"result":1,"error":{}}`, FaultEnvelope},
		"result without id":        {`{"jsonrpc":"2.0","result":1}`, FaultEnvelope},
		"response with params":     {`{"jsonrpc":"2.0","id":1,"result":1,"params":{}}`, FaultEnvelope},
		"error not an object":      {`{"jsonrpc":"2.0","id":1,"error":"x"}`, FaultEnvelope},
		"nothing":                  {`{"jsonrpc":"2.0","id":1}`, FaultEnvelope},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(Limits{})
			for _, body := range []io.Reader{strings.NewReader(c.body), iotest.OneByteReader(strings.NewReader(c.body))} {
				got, err := i.Read(body)
				var f *Fault
				if !errors.As(err, &f) {
					t.Fatalf("accepted as %+v, error %v", got, err)
				}
				if f.Reason != c.reason {
					t.Errorf("reason %q (%s), want %q", f.Reason, f.Message, c.reason)
				}
			}
		})
	}
}

func TestReadGoesAsDeepAsAllowed(t *testing.T) {
	if _, err := New(Limits{}).Read(strings.NewReader(nested(128))); err != nil {
		t.Error(err)
	}
}

func TestReadHoldsTheSizeLimit(t *testing.T) {
	const size = 1 << 20
	head := `{"jsonrpc":"2.0","id":9,"method":"a","params":{"x":"`
	body := head + strings.Repeat("a", size-len(head)-3) + `"}}`
	i := New(Limits{Bytes: size})
	if _, err := i.Read(strings.NewReader(body)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	var f *Fault
	_, err := i.Read(strings.NewReader(body + " "))
	if !errors.As(err, &f) || f.Reason != FaultTooLarge || string(f.ID) != "9" {
		t.Errorf("one above the limit: %v", err)
	}
}

func TestReadGivesTheReadersError(t *testing.T) {
	gone := errors.New("gone")
	i := New(Limits{})
	for _, head := range []string{"", `{"jsonrpc":"2.0`, `{"jsonrpc":"2.0","id":1,"method":"a"}`} {
		_, err := i.Read(io.MultiReader(strings.NewReader(head), iotest.ErrReader(gone)))
		if !errors.Is(err, gone) || errors.As(err, new(*Fault)) {
			t.Errorf("after %q: %v", head, err)
		}
		_, err = i.Read(io.MultiReader(strings.NewReader(head), iotest.ErrReader(Trailers())))
		if f := new(Fault); !errors.As(err, &f) || f.Reason != FaultTrailers {
			t.Errorf("trailers after %q: %v", head, err)
		}
	}
}

func TestReadNothing(t *testing.T) {
	i := New(Limits{})
	if err := i.ReadNothing(strings.NewReader("")); err != nil {
		t.Error(err)
	}
	if err := i.ReadNothing(strings.NewReader(" ")); !errors.As(err, new(*Fault)) {
		t.Error(err)
	}
	gone := errors.New("gone")
	if err := i.ReadNothing(iotest.ErrReader(gone)); !errors.Is(err, gone) {
		t.Error(err)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":%q}}}`, strings.Repeat("a", size))
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			i := New(Limits{})
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := i.Read(strings.NewReader(body)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
