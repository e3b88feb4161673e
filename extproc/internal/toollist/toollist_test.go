package toollist

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// notB shows all tools but those whose name begins with b.
func notB(tool string) (bool, error) { return !strings.HasPrefix(tool, "b"), nil }

func TestMessage(t *testing.T) {
	for text, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"},{"x":1,"name":"c"}],"nextCursor":"n"}}`: `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"x":1,"name":"c"}],"nextCursor":"n"}}`,
		` {"result" : { "tools" : [ { "name" : "b" } ] } } `:                                                          ` {"result" : { "tools" : [] } } `,
		`{"result":{"cacheScope":"public","tools":[{"name":"a"}]}}`:                                                   `{"result":{"cacheScope":"private","tools":[{"name":"a"}]}}`,
		`{"result":{"tools":[{"name":"b"}],"cacheScope":"public","ttlMs":5}}`:                                         `{"result":{"tools":[],"cacheScope":"private","ttlMs":5}}`,
		`{"result":{"cacheScope":"public"}}`:                                                                          `{"result":{"cacheScope":"public"}}`,
		`{"result":{"tools":[{"n\u0061me":"\u0062"},{"name":"\u0061","d":[1,{}]}]}}`:                                  `{"result":{"tools":[{"name":"\u0061","d":[1,{}]}]}}`,
		`{"result":{"tools":[{},1,{"name":1},{"name":"a","Name":"b"},{"title":"a"},null]}}`:                           `{"result":{"tools":[]}}`,
		`{"id":1,"error":{"code":-1,"tools":[{"name":"b"}]}}`:                                                         `{"id":1,"error":{"code":-1,"tools":[{"name":"b"}]}}`,
		`{"method":"notifications/x","params":{"tools":[{"name":"b"}]}}`:                                              `{"method":"notifications/x","params":{"tools":[{"name":"b"}]}}`,
		`{"result":null}`: `{"result":null}`,
	} {
		if got, err := Message([]byte(text), notB); err != nil || string(got) != want {
			t.Errorf("%s\nbecame %s\nwant   %s, error %v", text, got, want, err)
		}
	}
	for _, text := range []string{
		``, `[]`, `1`, `{`, `{}{}`, `{"result":{"tools":{}}}`, `{"result":{"tools":null}}`, `{"result":{"Tools":[]}}`, `{"Result":{"tools":[]}}`,
		`{"result":{},"result":{"tools":[{"name":"b"}]}}`, "{\"result\":{\"tools\":[{\"name\":\"a\xff\"}]}}", `{"result":{"tools":[{"name":"a","name":"b"}]}}`,
		`[{"result":{"tools":[{"name":"b"}]}}]`,
	} {
		if got, err := Message([]byte(text), notB); err == nil {
			t.Errorf("%s became %s", text, got)
		}
	}
	enough := errors.New("enough")
	if _, err := Message([]byte(`{"result":{"tools":[{"name":"a"}]}}`), func(string) (bool, error) { return false, enough }); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

func TestStream(t *testing.T) {
	list := `{"result":{"tools":[{"name":"a"},{"name":"b"}]}}`
	cut := `{"result":{"tools":[{"name":"a"}]}}`
	for in, want := range map[string]string{
		"":                             "",
		"id: 1\ndata:\n\n":             "id: 1\ndata:\n\n",
		": hello\n\n":                  ": hello\n\n",
		"data: {\"method\":\"x\"}\n\n": "data: {\"method\":\"x\"}\n\n",
		"event: message\nid: 7\ndata: " + list + "\n\ndata: {}\n\n":               "event: message\nid: 7\ndata: " + cut + "\n\ndata: {}\n\n",
		"data:" + list + "\r\n\r\ndata: {}\r\n\r\n":                               "data: " + cut + "\n\n\ndata: {}\r\n\r\n",
		"data: " + list + "\r\rdata: {}\r\r":                                      "data: " + cut + "\n\ndata: {}\r\r",
		"\ufeffdata: " + list + "\n\n":                                            "data: " + cut + "\n\n",
		"data: {\"result\":\ndata: {\"tools\":[{\"name\":\"b\"}]}}\nretry: 5\n\n": "retry: 5\ndata: {\"result\":\ndata: {\"tools\":[]}}\n\n",
		"data: " + list:          "data: " + cut + "\n\n",
		"data: " + list + "\nid": "id\ndata: " + cut + "\n\n",
	} {
		for _, size := range []int{1, 2, 7, len(in) + 1} {
			got, err := through(NewStream(1<<10, notB), in, size)
			if err != nil || got != want {
				t.Errorf("%q in pieces of %d\nbecame %q\nwant   %q, error %v", in, size, got, want, err)
			}
		}
	}
	for _, in := range []string{"data: x\n\n", "data: [" + list + "]\n\n", "data: {\"result\":{\"tools\":1}}\n\n", "data: x", "data: " + strings.Repeat("x", 1<<10), strings.Repeat("id\n", 1<<10)} {
		if got, err := through(NewStream(1<<10, notB), in, 5); err == nil || strings.Contains(got, "data") {
			t.Errorf("%.50q became %.50q, error %v", in, got, err)
		}
	}
}

func through(s *Stream, in string, size int) (string, error) {
	var out bytes.Buffer
	for len(in) > 0 {
		n := min(size, len(in))
		passed, err := s.Write([]byte(in[:n]))
		out.Write(passed)
		if err != nil {
			return out.String(), err
		}
		in = in[n:]
	}
	rest, err := s.Close()
	out.Write(rest)
	return out.String(), err
}

// FuzzMessage holds that what passes has no tool that may not be seen, however a
// lax parser reads it.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"cacheScope":"public","tools":[{"name":"a"},{"name":"b"}]}}`,
		`{"result":{"tools":[{"name":"b","NAME":"a"}]}}`, `{"result":{"TOOLS":[{"name":"b"}]}}`, `{"result":{"tools":[{"name":"\u0062"}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := Message(text, notB)
		if err != nil {
			return
		}
		var lax struct {
			Result struct{ Tools []struct{ Name string } }
		}
		if err := json.Unmarshal(out, &lax); err != nil {
			// A result of another type, which no client takes for a list.
			if json.Valid(out) {
				return
			}
			t.Fatalf("what passed is not JSON: %v", err)
		}
		for _, tool := range lax.Result.Tools {
			if strings.HasPrefix(tool.Name, "b") {
				t.Errorf("%s became %s", text, out)
			}
		}
	})
}

// FuzzStream holds that the size of pieces changes nothing.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{"data: {\"result\":{\"tools\":[{\"name\":\"b\"}]}}\n\n", "\r\n\r\rdata\n:\n\n", "\ufeffdata:1\n"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, in string, size int) {
		if size < 1 {
			return
		}
		whole, err := through(NewStream(200, notB), in, len(in)+1)
		pieces, errPieces := through(NewStream(200, notB), in, size)
		if whole != pieces || (err == nil) != (errPieces == nil) {
			t.Errorf("%q: %q, %v in one piece, %q, %v in pieces of %d", in, whole, err, pieces, errPieces, size)
		}
	})
}
