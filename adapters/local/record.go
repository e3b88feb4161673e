package local

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// record is what is known of one replica's process by whoever comes after this
// one: record.json in the replica's folder.
type record struct {
	Instance string       `json:"instance"`
	Adapter  adapters.UID `json:"adapter"`
	// Name is the adapter's, for people who look into the folder.
	Name     string `json:"name"`
	Ordinal  int    `json:"ordinal"`
	Template string `json:"template"`
	Socket   string `json:"socket"`
	// Restarts is that of adapters.Instance, without what the bridge itself
	// counts. Started is the process's.
	Restarts int       `json:"restarts"`
	Started  time.Time `json:"started"`
	// DrainingSince is when the replica was told to drain, or zero.
	DrainingSince time.Time `json:"drainingSince,omitzero"`
	identity
}

const recordName = "record.json"

// write makes r what a reader finds in dir after a crash at any moment.
func (r record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the record: %w", err)
	}
	path := filepath.Join(dir, recordName)
	if err := writeSynced(path+".new", append(text, '\n')); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replacing the record: %w", err)
	}
	return syncFolder(dir)
}

func writeSynced(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("closing the record: %w", closeErr)
		}
	}()
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing the record: %w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening the record's folder: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing the record's folder: %w", err)
	}
	return nil
}

// readRecord reads the record of the instance that dir is named after.
func readRecord(dir string) (record, error) {
	text, err := os.ReadFile(filepath.Join(dir, recordName))
	if err != nil {
		return record{}, fmt.Errorf("reading a record: %w", err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("reading the record %s: %w", filepath.Base(dir), err)
	}
	if r.Instance != filepath.Base(dir) || string(r.Adapter) != filepath.Base(filepath.Dir(dir)) || r.PID <= 1 {
		return record{}, fmt.Errorf("the record %s is about something else", filepath.Base(dir))
	}
	return r, nil
}
