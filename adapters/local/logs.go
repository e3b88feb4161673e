package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

const (
	defaultLines = 500
	// maxTail bounds what is read of each file for its newest lines.
	maxTail = 4 << 20
	// followPause is how often followed files are looked at.
	followPause = 200 * time.Millisecond
)

// Logs implements adapters.Deployer. While a replica is being replaced, the log
// is that of its successor. It ends without error when ctx does, and when the
// replica is gone.
func (d *Deployer) Logs(ctx context.Context, id adapters.UID, opt adapters.LogOptions, w io.Writer) error {
	instance, ok := d.newest(id, opt.Instance)
	if !ok {
		return fmt.Errorf("replica %d: %w", opt.Instance, adapters.ErrNotFound)
	}
	if opt.Previous {
		return fmt.Errorf("replica %d: %w", opt.Instance, adapters.ErrNoEarlierLog) // one file has the lines of all
	}
	lines := opt.Lines
	if lines <= 0 {
		lines = defaultLines
	}
	dir := d.folder(id, instance)
	log, crash := newFollower(dir, logName), newFollower(dir, crashLogName)
	defer func() { log.close(); crash.close() }()
	old, err := readTail(filepath.Join(dir, logName+".1"))
	if err != nil {
		return err
	}
	text := bytes.Join([][]byte{old, log.tail(), crash.tail()}, nil)
	if _, err := w.Write(newestLines(text, lines)); err != nil {
		return fmt.Errorf("writing the log: %w", err)
	}
	if !opt.Follow {
		return nil
	}
	ticker := time.NewTicker(followPause)
	defer ticker.Stop()
	for {
		if err := errors.Join(log.copy(w), crash.copy(w)); err != nil {
			return fmt.Errorf("writing the log: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now, ok := d.newest(id, opt.Instance)
		if !ok {
			return errors.Join(log.finish(w), crash.finish(w))
		}
		if now != instance {
			instance, dir = now, d.folder(id, now)
			log.follow(dir)
			crash.follow(dir)
		}
	}
}

func (d *Deployer) folder(id adapters.UID, instance string) string {
	return filepath.Join(d.cfg.AdaptersDir, string(id), instance)
}

// newest is the instance at that ordinal that was started last, those that
// drain left to the end.
func (d *Deployer) newest(id adapters.UID, ordinal int) (instance string, found bool) {
	drains := false
	for _, i := range (*d.table.snapshot.Load())[id] {
		if i.Ordinal != ordinal || found && !drains && i.State == adapters.InstanceDraining {
			continue
		}
		instance, found, drains = i.ID, true, i.State == adapters.InstanceDraining
	}
	return instance, found
}

// readTail is the end of a file, from the beginning of a line, or nothing where
// there is no such file.
func readTail(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening a log: %w", err)
	}
	defer f.Close()
	text, _, err := tailOf(f)
	return text, err
}

// tailOf also returns how far it has read.
func tailOf(f *os.File) (text []byte, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("reading a log: %w", err)
	}
	start := max(0, info.Size()-maxTail)
	text, err = io.ReadAll(io.NewSectionReader(f, start, info.Size()-start))
	if err != nil {
		return nil, 0, fmt.Errorf("reading a log: %w", err)
	}
	if start > 0 {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return text, info.Size(), nil
}

// newestLines is the last n lines of text.
func newestLines(text []byte, n int) []byte {
	end := len(bytes.TrimSuffix(text, []byte{'\n'}))
	for range n {
		end = bytes.LastIndexByte(text[:end], '\n')
		if end < 0 {
			return text
		}
	}
	return text[end+1:]
}
