package stdio

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// sealDescriptors keeps children from inheriting what this process inherited.
// What Go itself opens is closed on exec anyway.
func sealDescriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("listing open descriptors: %w", err)
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
