package logging

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// LevelPath is where programs serve their level.
const LevelPath = "/loglevel"

// maxLevel is the longest name of a level.
const maxLevel = 16

// ServeHTTP serves the level: GET shows it, PUT with debug, info, warn or error
// sets it until the program ends.
func (l *Log) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPut:
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLevel))
		var level slog.Level
		if err != nil || level.UnmarshalText([]byte(strings.TrimSpace(string(text)))) != nil {
			http.Error(w, "the level is one of debug, info, warn, error", http.StatusBadRequest)
			return
		}
		old := l.Level.Level()
		l.Level.Set(level)
		if old != level {
			l.Info("level of the log changed", "from", old.String(), "to", level.String())
		}
	default:
		w.Header().Set("Allow", "GET, PUT")
		http.Error(w, "only GET and PUT are allowed here", http.StatusMethodNotAllowed)
		return
	}
	// A client that has gone needs no answer.
	_, _ = io.WriteString(w, strings.ToLower(l.Level.Level().String())+"\n")
}
