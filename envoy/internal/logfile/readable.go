package logfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// readable is a line for people: one of JSON without its time and part, and with
// its message first. Any other is as it is.
func readable(line []byte) string {
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil || fields["msg"] == nil {
		return string(line)
	}
	text := strings.ToUpper(fmt.Sprint(fields["level"])) + " " + fmt.Sprint(fields["msg"])
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch key {
		case "time", "level", "msg", "part":
		default:
			text += fmt.Sprintf(" %s=%q", key, fmt.Sprint(fields[key]))
		}
	}
	return text
}
