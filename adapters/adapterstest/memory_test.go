package adapterstest_test

import (
	"testing"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/adapterstest"
)

func TestMemoryStore(t *testing.T) {
	adapterstest.TestStore(t, func(*testing.T) adapters.Store { return &adapterstest.Store{} })
}
