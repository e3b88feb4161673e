package kube

import "github.com/mooring-mcp/mooring/adapters/kube/internal/settings"

// Settings are what the operator says of the pods of adapters. The zero value is
// of no use: see LoadSettings.
type Settings = settings.Settings

// LoadSettings reads the file at path, strict YAML: members that are unknown or
// there twice are errors, and what it leaves out is filled in.
func LoadSettings(path string) (Settings, error) { return settings.Load(path) }

// ReadSettings is LoadSettings of the text itself.
func ReadSettings(text []byte) (Settings, error) { return settings.Read(text) }
