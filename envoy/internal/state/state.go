// Package state owns the launcher's folder: who may use it, what lies where in
// it, and where sockets go when its path is too long for them. What the files
// mean is their users' business.
package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Folder is a state folder that this process alone uses.
type Folder struct {
	root    string
	runtime string
	lock    *os.File
}

// maxRuntimePath leaves 27 bytes of a socket's path (107 on Linux) for the
// longest name in the runtime folder: "/b/", an instance's 16 letters, ".sock".
const maxRuntimePath = 80

// Open makes the folder where it is missing, with mode 0700, and takes it for
// this process. It refuses a folder that another launcher uses, naming that
// one's process id, and a folder that others may write to.
func Open(root string) (*Folder, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("finding the state folder: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	// One folder has one name, or its sockets would have several.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, fmt.Errorf("finding the state folder: %w", err)
	}
	if err := private(root); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	lock, err := acquire(filepath.Join(root, lockName))
	if err != nil {
		return nil, fmt.Errorf("taking the state folder %s: %w", root, err)
	}
	f := &Folder{root: root, lock: lock}
	if err := f.prepare(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return f, nil
}

// Close gives the folder back. What this start's sockets left is removed.
func (f *Folder) Close() error {
	return errors.Join(os.RemoveAll(f.runtime), f.lock.Close())
}

// Root is the folder's absolute path.
func (f *Folder) Root() string { return f.root }

// Lease is the file whose lock says that a launcher lives.
func (f *Folder) Lease() string { return f.lock.Name() }

// Database is the adapters' store.
func (f *Folder) Database() string { return filepath.Join(f.root, "adapters.db") }

// Adapters holds what each adapter's replicas write.
func (f *Folder) Adapters() string { return filepath.Join(f.root, "adapters") }

// SessionKeys holds the keys that sign sessions.
func (f *Folder) SessionKeys() string { return filepath.Join(f.root, "keys", "session") }

// IdentityKeys holds the keys that sign what tells servers who calls.
func (f *Folder) IdentityKeys() string { return filepath.Join(f.root, "keys", "identity") }

// IdentityJWKS holds their public halves.
func (f *Folder) IdentityJWKS() string { return filepath.Join(f.root, "identity-jwks.json") }

// SecretsKey is the key that adapters' secrets are kept under.
func (f *Folder) SecretsKey() string { return filepath.Join(f.root, "keys", "secrets", "sealing.key") }

// SessionJWKS holds the public halves of the keys that sign sessions.
func (f *Folder) SessionJWKS() string { return filepath.Join(f.root, "session-jwks.json") }

// APIKeys keeps API keys, unless they are kept elsewhere.
func (f *Folder) APIKeys() string { return filepath.Join(f.root, "apikeys.json") }

// Audit keeps what was done and refused.
func (f *Folder) Audit() string { return filepath.Join(f.root, "audit.jsonl") }

// AuditMCP is where the external processor keeps what MCP messages asked for.
func (f *Folder) AuditMCP() string { return filepath.Join(f.root, "audit-mcp.jsonl") }

// Bootstrap is the file that Envoy starts from.
func (f *Folder) Bootstrap() string { return filepath.Join(f.root, "envoy.yaml") }

// Log is the log file of a part.
func (f *Folder) Log(part string) string { return filepath.Join(f.Logs(), part+".log") }

// Logs holds the parts' logs.
func (f *Folder) Logs() string { return filepath.Join(f.root, "logs") }

// Socket is the path of the Unix socket of that name.
func (f *Folder) Socket(name string) string { return filepath.Join(f.runtime, name+".sock") }

// Runtime is where sockets are made.
func (f *Folder) Runtime() string { return f.runtime }

// prepare makes the folders inside, and removes the sockets of an earlier
// start, but not those of bridges, in a folder of their own: they may still be
// served.
func (f *Folder) prepare() error {
	f.runtime = runtimeOf(f.root)
	for _, dir := range []string{f.runtime, f.Adapters(), f.Logs()} {
		if err := private(dir); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
	}
	stale, err := filepath.Glob(filepath.Join(f.runtime, "*.sock"))
	if err != nil {
		return fmt.Errorf("finding old sockets: %w", err)
	}
	for _, path := range stale {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing an old socket: %w", err)
		}
	}
	return nil
}

// RuntimeOf is where the sockets are of who uses the state folder.
func RuntimeOf(root string) (string, error) {
	root, err := filepath.Abs(root)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return "", fmt.Errorf("finding the state folder: %w", err)
	}
	return runtimeOf(root), nil
}

// runtimeOf is the same folder at each start, since bridges that outlived the last
// one serve there.
func runtimeOf(root string) string {
	if runtime := filepath.Join(root, "run"); len(runtime) <= maxRuntimePath {
		return runtime
	}
	sum := sha256.Sum256([]byte(root))
	return fmt.Sprintf("/tmp/mooring-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6]))
}

// private makes dir with mode 0700, or checks that it is a folder of this user
// and takes others' rights to it away.
func private(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Not through a link, which somebody else could have put into /tmp.
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Getuid() {
		return fmt.Errorf("%s belongs to another user", dir)
	}
	return os.Chmod(dir, 0o700)
}
