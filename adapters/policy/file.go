package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/mooring-mcp/mooring/adapters"
)

// maxFile bounds policy.yaml, in bytes.
const maxFile = 1 << 20

// Parse decodes policy.yaml strictly: names that are not known, names that are
// there twice and values that are not valid are errors. An empty file is the
// default.
func Parse(text []byte) (Settings, error) {
	if len(text) > maxFile {
		return Settings{}, fmt.Errorf("it is longer than %d bytes", maxFile)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var s Settings
	if err := decoder.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return Settings{}, err
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return Settings{}, errors.New("it holds more than one document")
	}
	return s, s.validate()
}

func (s Settings) validate() error {
	var faults []error
	if s.Commands != nil {
		for i, command := range *s.Commands {
			if command == "" || command != Any && strings.Contains(command, Any) {
				faults = append(faults, fmt.Errorf("commands[%d]: it must be a command as adapters write it, or * for all", i))
			}
		}
	}
	for i, image := range s.Images {
		name, wild := strings.CutSuffix(image, Any)
		if image == "" || strings.Contains(name, Any) || wild && name != "" && !strings.HasSuffix(name, "/") {
			faults = append(faults, fmt.Errorf("images[%d]: it must be an image's name, a path and /*, or * for all", i))
		}
	}
	if s.MaxReplicas < 0 || s.MaxReplicas > adapters.MaxReplicaCount {
		faults = append(faults, fmt.Errorf("maxReplicas: it must be at most %d", adapters.MaxReplicaCount))
	}
	return errors.Join(faults...)
}

// File is policy.yaml as it is at the moment. It is looked at each time it is
// asked for, which is rare: there is no watcher that could miss a change. It is
// safe for use by several goroutines.
type File struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	text    string
	current Settings
	// broken is the error that the log has.
	broken string
}

// Open reads the file at path; an empty path is a File of the default.
func Open(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log}
	if path == "" {
		return f, nil
	}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("reading the operator's rules %s: %w", path, err)
	}
	return f, nil
}

// Current is what the file says. While it cannot be used, that is what it said
// last, and the log has an error.
func (f *File) Current() Settings {
	if f.path == "" {
		return Settings{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.read()
	switch {
	case err == nil:
		f.broken = ""
	case f.broken != err.Error():
		f.broken = err.Error()
		f.log.Error("the operator's rules cannot be used; those read before stay in use", "error", err)
	}
	return f.current
}

func (f *File) read() error {
	text, err := os.ReadFile(f.path)
	if err != nil || f.text == string(text) && f.text != "" {
		return err
	}
	parsed, err := Parse(text)
	if err != nil {
		return err
	}
	f.text, f.current = string(text), parsed
	return nil
}
