// Package e2e holds the tests of the whole: they start the built programs with
// a real Envoy, on free ports and in folders of their own, and use them as a
// client does. They look inside only to end processes.
package e2e
