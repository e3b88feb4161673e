// Package soak holds a test that uses one bridge up as clients do in months: it
// must be as it was before.
package soak
