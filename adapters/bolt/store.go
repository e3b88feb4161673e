// Package bolt keeps adapters in one bbolt file: the Store of one machine. Each
// write is synced to disk before it is acknowledged. It judges nothing about
// the adapters it keeps.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/mooring-mcp/mooring/adapters"
)

// lockTimeout is how long Open waits for another process to let go of the file.
const lockTimeout = 2 * time.Second

// adaptersBucket maps names to records. Its sequence is the last revision.
const adaptersBucket = "adapters"

// Store is an adapters.Store in one file, which it locks while it is open.
type Store struct {
	adapters.Notifier
	path string
	db   *bbolt.DB
	key  *secretsKey
	log  *slog.Logger

	mu sync.Mutex
	// reported holds the corrupt records that the log has, so that each is
	// there once.
	reported map[string]bool
}

var _ adapters.Store = (*Store)(nil)

// Open opens the file at path, or makes it with mode 0600. It is an error that
// names the file where another process has it open. Adapters with secrets are
// ErrUnsupported.
func Open(path string, log *slog.Logger) (*Store, error) { return OpenSealing(path, "", log) }

// OpenSealing is Open for a Store that keeps the secrets of adapters, sealed
// with the key in keyFile (none where that is empty). Where there is no such
// file, the first secret makes it, unless secrets are stored already: they were
// sealed with a key that is lost and may come back, and until it does, or the
// last of their adapters is deleted, secrets are ErrUnsupported.
func OpenSealing(path, keyFile string, log *slog.Logger) (*Store, error) {
	key, err := openKey(keyFile)
	if err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("opening %s: another process has it open", path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	s := &Store{path: path, db: db, key: key, log: log, reported: map[string]bool{}}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), db.Close())
	}
	return s, nil
}

// prepare makes the bucket and sees to it that the file is private and, when it
// is new, survives a crash of the machine: that needs its folder synced too.
func (s *Store) prepare() error {
	if err := os.Chmod(s.path, 0o600); err != nil {
		return err
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte(adaptersBucket))
		return err
	})
	if err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Close lets go of the file. It waits for what is being read and written.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", s.path, err)
	}
	return nil
}

// Create implements adapters.Store.
func (s *Store) Create(ctx context.Context, a adapters.Adapter) (adapters.Adapter, error) {
	return s.write(ctx, func(b *bbolt.Bucket) (adapters.Adapter, error) {
		if b.Get([]byte(a.Name)) != nil {
			return adapters.Adapter{}, adapters.ErrExists
		}
		return s.put(b, a)
	})
}

// Get implements adapters.Store.
func (s *Store) Get(ctx context.Context, name string) (adapters.Adapter, error) {
	var a adapters.Adapter
	err := s.read(ctx, func(b *bbolt.Bucket) (err error) {
		a, err = s.get(b, name)
		return err
	})
	return a, err
}

// List implements adapters.Store. A record that cannot be read is left out and
// logged, once: it must not hold back the others.
func (s *Store) List(ctx context.Context) ([]adapters.Adapter, error) {
	all, _, err := s.all(ctx)
	return all, err
}

// Unreadable implements adapters.Store.
func (s *Store) Unreadable(ctx context.Context) ([]*adapters.UnreadableError, error) {
	_, locked, err := s.all(ctx)
	return locked, err
}

// all are the adapters, and the records that cannot be read.
func (s *Store) all(ctx context.Context) (all []adapters.Adapter, locked []*adapters.UnreadableError, err error) {
	all = []adapters.Adapter{}
	err = s.read(ctx, func(b *bbolt.Bucket) error {
		return b.ForEach(func(key, value []byte) error {
			a, err := s.decode(string(key), value)
			var unreadable *adapters.UnreadableError
			if errors.As(err, &unreadable) {
				s.report(string(key), err)
				locked = append(locked, unreadable)
				return nil
			}
			all = append(all, a)
			return err
		})
	})
	return all, locked, err
}

// Update implements adapters.Store.
func (s *Store) Update(ctx context.Context, a adapters.Adapter, ifAt adapters.Revision) (adapters.Adapter, error) {
	return s.write(ctx, func(b *bbolt.Bucket) (adapters.Adapter, error) {
		current, err := s.get(b, a.Name)
		if err != nil {
			return adapters.Adapter{}, err
		}
		if current.ID != a.ID || ifAt != "" && current.Revision != ifAt {
			return adapters.Adapter{}, adapters.ErrStale
		}
		return s.put(b, a)
	})
}

// Delete implements adapters.Store. Without a condition it removes a record
// that cannot be read, too.
func (s *Store) Delete(ctx context.Context, name string, ifAt adapters.Revision) error {
	_, err := s.write(ctx, func(b *bbolt.Bucket) (adapters.Adapter, error) {
		current, err := s.get(b, name)
		if errors.Is(err, adapters.ErrUnreadable) && ifAt == "" {
			err = nil
		}
		if err != nil {
			return adapters.Adapter{}, err
		}
		if ifAt != "" && current.Revision != ifAt {
			return adapters.Adapter{}, adapters.ErrStale
		}
		return adapters.Adapter{}, b.Delete([]byte(name))
	})
	return err
}

func (s *Store) read(ctx context.Context, do func(*bbolt.Bucket) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error { return do(tx.Bucket([]byte(adaptersBucket))) })
}

func (s *Store) write(ctx context.Context, do func(*bbolt.Bucket) (adapters.Adapter, error)) (adapters.Adapter, error) {
	if err := ctx.Err(); err != nil {
		return adapters.Adapter{}, err
	}
	var written adapters.Adapter
	err := s.db.Update(func(tx *bbolt.Tx) (err error) {
		written, err = do(tx.Bucket([]byte(adaptersBucket)))
		return err
	})
	if err != nil {
		return adapters.Adapter{}, err
	}
	s.Notify()
	return written, nil
}

func (s *Store) report(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.reported[name] {
		s.reported[name] = true
		s.log.Error("adapter record cannot be read", "adapter", name, "file", s.path, "error", err)
	}
}

func (s *Store) get(b *bbolt.Bucket, name string) (adapters.Adapter, error) {
	value := b.Get([]byte(name))
	if value == nil {
		return adapters.Adapter{}, adapters.ErrNotFound
	}
	return s.decode(name, value)
}

// put writes a at the next revision. Revisions come from the bucket's sequence,
// so that none is given twice in the life of the file.
func (s *Store) put(b *bbolt.Bucket, a adapters.Adapter) (adapters.Adapter, error) {
	sequence, err := b.NextSequence()
	if err != nil {
		return adapters.Adapter{}, err
	}
	a.Revision = adapters.Revision(strconv.FormatUint(sequence, 10))
	a.Spec = a.Normalize()
	value, err := s.encode(b, a)
	if err != nil {
		return adapters.Adapter{}, err
	}
	return a, b.Put([]byte(a.Name), value)
}
