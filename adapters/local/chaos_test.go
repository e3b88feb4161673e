package local

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/adapters"
)

// TestChangesAndCrashesInAnyOrder: whatever users do and whatever dies, in the
// end there runs what is wanted, and nothing else.
func TestChangesAndCrashesInAnyOrder(t *testing.T) {
	w := newWorld(t)
	w.start()
	random := rand.New(rand.NewPCG(3, 4))
	wanted := map[string]adapters.Adapter{}
	lives := 0
	for range 60 {
		name := fmt.Sprint("a", random.IntN(3))
		a, found := wanted[name]
		switch n := random.IntN(10); {
		case !found:
			a = w.adapter(name, 1+random.IntN(2))
			lives++
			a.ID = adapters.UID(fmt.Sprint("uid-", lives))
			w.create(a)
			wanted[name] = a
		case n < 4:
			if running := w.Instances()[a.ID]; len(running) > 0 {
				if r, err := readRecord(w.dir(a, running[random.IntN(len(running))])); err == nil && r.isAlive(w.boot) {
					syscall.Kill(r.PID, syscall.SIGKILL)
				}
			}
		case n < 6:
			a.EnvironmentVariables = w.adapter(name, 0, "VERSION", fmt.Sprint(random.IntN(3))).EnvironmentVariables
			w.update(a)
			wanted[name] = a
		case n < 8:
			a.ReplicaCount = random.IntN(3)
			w.update(a)
			wanted[name] = a
		case n < 9:
			w.delete(a)
			delete(wanted, name)
		default:
			w.stop()
			if left := w.alive(); len(left) > 0 {
				t.Fatalf("processes %v outlived the deployer", left)
			}
			w.start()
		}
		time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond) // any moment will do
	}
	for _, a := range wanted {
		w.eventually("what is wanted runs", func() bool {
			instances := w.Instances()[a.ID]
			return len(instances) == a.ReplicaCount && !slices.ContainsFunc(instances, func(i adapters.Instance) bool {
				return i.State != adapters.InstanceReady || i.TemplateHash != a.TemplateHash()
			})
		})
	}
	w.eventually("nothing else runs or is kept", func() bool {
		bridges := 0
		for _, a := range wanted {
			bridges += a.ReplicaCount
		}
		folders, err := os.ReadDir(w.config.AdaptersDir)
		scaledToNone := len(wanted) - len(w.Instances())
		return err == nil && len(w.alive()) == bridges && len(folders) <= len(wanted) && len(folders) >= len(wanted)-scaledToNone
	})
}
