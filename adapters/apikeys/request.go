package apikeys

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/mooring-mcp/mooring/adapters"
)

const (
	maxBody  = 64 << 10
	maxName  = 256
	maxRoles = 64
	maxRole  = 256
)

// request is what POST asks for.
type request struct {
	name      string
	roles     []string
	expiresAt time.Time
}

// readRequest reads the body of a POST strictly: names count exactly and once.
func readRequest(r *http.Request) (request, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return request{}, &problem{status: http.StatusUnsupportedMediaType, detail: "The body must be application/json."}
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return request{}, fmt.Errorf("reading body: %w", err)
	}
	return decodeRequest(text)
}

func decodeRequest(text []byte) (request, error) {
	var body struct {
		Name      string     `json:"name"`
		Roles     []string   `json:"roles"`
		ExpiresAt *time.Time `json:"expiresAt"`
	}
	if err := jsonv2.Unmarshal(text, &body, jsonv2.RejectUnknownMembers(true)); err != nil {
		return request{}, &problem{
			status: http.StatusBadRequest,
			detail: "The body must be a JSON object of name (a text), roles (a list of texts) and expiresAt (a time such as 2027-01-31T00:00:00Z), each at most once.",
		}
	}
	wanted := request{name: body.Name, roles: body.Roles}
	if body.ExpiresAt != nil {
		wanted.expiresAt = body.ExpiresAt.UTC()
	}
	return wanted, nil
}

// faults returns everything that is wrong with what is asked for.
func (r request) faults(now time.Time, longest time.Duration) []adapters.Fault {
	var faults []adapters.Fault
	add := func(message string, path ...string) {
		faults = append(faults, adapters.Fault{Pointer: adapters.Pointer(path...), Message: message})
	}
	switch {
	case r.name == "":
		add("It is required: it says what the key is for.", "name")
	case utf8.RuneCountInString(r.name) > maxName || !plain(r.name):
		add(fmt.Sprintf("It must be at most %d characters, none of them a control character.", maxName), "name")
	}
	if len(r.roles) > maxRoles {
		add(fmt.Sprintf("There are more than %d.", maxRoles), "roles")
	}
	for i, role := range r.roles {
		switch {
		case role == "" || utf8.RuneCountInString(role) > maxRole || !plain(role):
			add(fmt.Sprintf("It must be 1 to %d characters, none of them a control character.", maxRole), "roles", strconv.Itoa(i))
		case slices.Contains(r.roles[:i], role):
			add("It repeats an earlier role.", "roles", strconv.Itoa(i))
		}
	}
	switch {
	case !r.expiresAt.After(now):
		add("It must be in the future.", "expiresAt")
	case r.expiresAt.After(now.Add(longest)):
		add("It must be by "+now.Add(longest).Format(time.RFC3339)+".", "expiresAt")
	}
	return faults
}

func plain(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) }
