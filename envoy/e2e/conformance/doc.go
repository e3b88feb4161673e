// Package conformance runs the official MCP conformance suite against the
// reference server, directly and through the whole of Mooring, and compares:
// no scored check that passes directly may be lost on the way. `make
// conformance` shows the table.
package conformance
