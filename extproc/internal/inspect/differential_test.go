package inspect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// reading is what a parser makes of a body. Ids are told by their type and
// their text, since JSON itself could not carry all of them between parsers.
type reading struct {
	Refused                   bool
	Method, Version           string
	IDType, ID                string // "string", "number" or "none"
	Name, URI, TaskID         *string
	HasMethod, HasResultError bool
}

// name is what the method is applied to.
func (r reading) name(method string) *string {
	return map[string]*string{"name": r.Name, "uri": r.URI, "taskId": r.TaskID}[nameField(method)]
}

// The two programs read bodies in base64, one a line, as servers would, and
// print a list of readings.
const (
	nodeReads = `
const text = v => typeof v === "string" ? v : v === undefined || v === null ? null : "not a string";
const lines = require("fs").readFileSync(process.argv[1], "utf8").trimEnd().split("\n");
console.log(JSON.stringify(lines.map(line => {
	let m;
	try { m = JSON.parse(Buffer.from(line, "base64").toString("utf8")); } catch { return {Refused: true}; }
	const params = m.params ?? {}, number = typeof m.id === "number";
	return {
		Method: text(m.method) ?? "", HasMethod: m.method !== undefined, HasResultError: m.result !== undefined || m.error !== undefined,
		Version: text((params._meta ?? {})["io.modelcontextprotocol/protocolVersion"]) ?? "",
		IDType: m.id === undefined || m.id === null ? "none" : typeof m.id, ID: Object.is(m.id, -0) ? "-0" : String(m.id),
		Name: text(params.name), URI: text(params.uri), TaskID: text(params.taskId),
	};
})));`
	pythonReads = `
import base64, json, sys
def text(v):
    return v if v is None or isinstance(v, str) else "not a string"
def read(body):
    try:
        m = json.loads(body)
    except ValueError:
        return {"Refused": True}
    params, i = m.get("params") or {}, m.get("id")
    return {
        "Method": text(m.get("method")) or "", "HasMethod": "method" in m, "HasResultError": "result" in m or "error" in m,
        "Version": text((params.get("_meta") or {}).get("io.modelcontextprotocol/protocolVersion")) or "",
        "IDType": "none" if i is None else "string" if isinstance(i, str) else "number", "ID": str(i),
        "Name": text(params.get("name")), "URI": text(params.get("uri")), "TaskID": text(params.get("taskId")),
    }
with open(sys.argv[1], "rb") as lines:
    print(json.dumps([read(base64.b64decode(line)) for line in lines]))`
)

// TestOtherParsersReadTheSame holds that what is accepted has one meaning, to
// every parser a server may use.
func TestOtherParsersReadTheSame(t *testing.T) {
	var bodies [][]byte
	var messages []Message
	i := New(Limits{})
	refused := 0
	for _, body := range hostileBodies() {
		message, err := i.Read(bytes.NewReader(body))
		if err != nil {
			if !errors.As(err, new(*Fault)) {
				t.Fatalf("%q: not a fault: %v", body, err)
			}
			refused++
			continue
		}
		bodies, messages = append(bodies, body), append(messages, message)
	}
	if refused < 1000 || len(bodies) < 1000 {
		t.Fatalf("%d bodies were accepted, %d refused: this shows nothing", len(bodies), refused)
	}
	var lines strings.Builder
	for _, body := range bodies {
		lines.WriteString(base64.StdEncoding.EncodeToString(body) + "\n")
	}
	file := filepath.Join(t.TempDir(), "bodies")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	readings := map[string][]reading{
		"node":   run(t, len(bodies), "node", "-e", nodeReads, file),
		"python": run(t, len(bodies), "python3", "-c", pythonReads, file),
	}
	for _, body := range bodies {
		readings["encoding/json"] = append(readings["encoding/json"], readEncodingJSON(body))
		readings["go-sdk"] = append(readings["go-sdk"], readSDK(body))
	}
	for parser, all := range readings {
		for n, r := range all {
			if fault := compare(parser, bodies[n], messages[n], r); fault != "" {
				t.Errorf("%s: %s: %.300q", parser, fault, bodies[n])
			}
		}
	}
}

func run(t *testing.T, count int, program string, args ...string) []reading {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running %s: %v: %s", program, err, stderr.String())
	}
	var all []reading
	if err := json.Unmarshal(out, &all); err != nil || len(all) != count {
		t.Fatalf("%s read %d bodies of %d: %v", program, len(all), count, err)
	}
	return all
}

func readEncodingJSON(body []byte) reading {
	var m struct {
		ID, Params, Result, Error json.RawMessage
		Method                    *string
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return reading{Refused: true}
	}
	r := reading{HasMethod: m.Method != nil, HasResultError: m.Result != nil || m.Error != nil, IDType: "none"}
	if m.Method != nil {
		r.Method = *m.Method
	}
	switch {
	case len(m.ID) == 0 || string(m.ID) == "null":
	case m.ID[0] == '"':
		r.IDType = "string"
		if json.Unmarshal(m.ID, &r.ID) != nil {
			return reading{Refused: true}
		}
	default:
		r.IDType, r.ID = "number", string(m.ID)
	}
	return r.withParams(m.Params)
}

func readSDK(body []byte) reading {
	m, err := jsonrpc.DecodeMessage(body)
	if err != nil {
		return reading{Refused: true}
	}
	r := reading{IDType: "none"}
	var id jsonrpc.ID
	var params json.RawMessage
	switch m := m.(type) {
	case *jsonrpc.Request:
		r.HasMethod, r.Method, id, params = true, m.Method, m.ID, m.Params
	case *jsonrpc.Response:
		r.HasResultError, id = true, m.ID
	}
	switch raw := id.Raw().(type) {
	case string:
		r.IDType, r.ID = "string", raw
	case int64:
		r.IDType, r.ID = "number", strconv.FormatInt(raw, 10)
	}
	return r.withParams(params)
}

// withParams takes names of any case, and of two the last, as encoding/json
// does. Values are read as late as a server would: of what is not asked for,
// any type is right.
func (r reading) withParams(params json.RawMessage) reading {
	var lax struct {
		Name, URI, TaskID json.RawMessage
		Meta              struct {
			Version string `json:"io.modelcontextprotocol/protocolVersion"`
		} `json:"_meta"`
	}
	if len(params) > 0 && json.Unmarshal(params, &lax) != nil {
		return reading{Refused: true}
	}
	r.Version = lax.Meta.Version
	r.Name, r.URI, r.TaskID = text(lax.Name), text(lax.URI), text(lax.TaskID)
	return r
}

func text(value json.RawMessage) *string {
	if len(value) == 0 || string(value) == "null" {
		return nil
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		s = "not a string"
	}
	return &s
}

// compare says in what the parser differs from what was judged.
func compare(parser string, body []byte, judged Message, r reading) string {
	if r.Refused {
		if mayRefuse(parser, body, judged) {
			return ""
		}
		return "refuses what was accepted"
	}
	if r.HasMethod != (judged.Kind != Response) || r.HasResultError != (judged.Kind == Response) {
		return fmt.Sprintf("another kind of message than %d: %+v", judged.Kind, r)
	}
	if r.Method != judged.Method || r.Version != judged.ProtocolVersion {
		return fmt.Sprintf("method %q, not %q; version %q, not %q", r.Method, judged.Method, r.Version, judged.ProtocolVersion)
	}
	if nameField(judged.Method) != "" {
		name := r.name(judged.Method)
		if (name != nil) != judged.HasName || name != nil && *name != judged.Name {
			return fmt.Sprintf("the name is not %q (%v)", judged.Name, judged.HasName)
		}
	}
	return compareID(parser, judged.ID, r)
}

// mayRefuse lists the refusals that hurt nobody: a server that refuses a body
// does nothing with it.
func mayRefuse(parser string, body []byte, judged Message) bool {
	switch parser {
	case "go-sdk":
		// Its ids are doubles, and what it takes for an error or for a response is
		// narrower.
		_, err := strconv.ParseFloat(string(judged.ID), 64)
		return judged.Kind == Response || errors.Is(err, strconv.ErrRange)
	case "python":
		return longNumbers(body)
	}
	return false
}

// longNumbers reports whether a body may have an integer with more digits than
// Python converts, which is 4300.
func longNumbers(body []byte) bool {
	run := 0
	for _, c := range body {
		if run++; c < '0' || c > '9' {
			run = 0
		}
		if run > 4300 {
			return true
		}
	}
	return false
}

var integer = regexp.MustCompile(`^-?[0-9]+$`)

// compareID holds what Mooring can promise of ids. It gives them back byte for
// byte, so that what a client compares is what it sent. A server's own answer
// has the id as that server reads it: text is the same to all; of numbers,
// those are that a double has exactly, which is what clients count in. Beyond,
// Node rounds, Python counts on, and the go-sdk cuts to 64 bits.
func compareID(parser string, judged []byte, r reading) string {
	if judged == nil || judged[0] == '"' {
		want, kind := "", "none"
		if judged != nil {
			kind = "string"
			if err := json.Unmarshal(judged, &want); err != nil {
				return "the id is no JSON"
			}
		}
		if r.IDType != kind || kind == "string" && r.ID != want {
			return fmt.Sprintf("id %s %q, not %q", r.IDType, r.ID, judged)
		}
		return ""
	}
	if r.IDType != "number" {
		return fmt.Sprintf("id %s %q, not the number %s", r.IDType, r.ID, judged)
	}
	want, _ := strconv.ParseFloat(string(judged), 64) // out of range is infinite, as in Node
	got, _ := strconv.ParseFloat(r.ID, 64)
	switch {
	case parser == "encoding/json" && r.ID != string(judged):
	case parser == "go-sdk" && (want != math.Trunc(want) || math.Abs(want) > 1<<53):
		return ""
	case parser == "python" && integer.Match(judged) && want != 0 && r.ID != string(judged):
	case got == want: // -0 is 0 to some
		return ""
	}
	return fmt.Sprintf("id %s, not %s", r.ID, judged)
}
