package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// probeEnvironment is what the probe's process gets beside its environment. npm
// hides what the install scripts of packages print, and when one fails it ends
// without a word; with this the reason is seen, and npm's own log is found.
func probeEnvironment(environ []string, npmLogs string) (extra []string) {
	wanted := []string{"npm_config_foreground_scripts=true"}
	if npmLogs != "" {
		wanted = append(wanted, "npm_config_logs_dir="+npmLogs)
	}
	for _, variable := range wanted {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.ContainsFunc(environ, func(v string) bool {
			return strings.HasPrefix(strings.ToLower(v), name+"=")
		}) {
			extra = append(extra, variable)
		}
	}
	return extra
}

// npmLogs is the folder for npm's logs, or empty where there is no place.
func npmLogs(cfg Config) string {
	if cfg.StateDir == "" {
		return ""
	}
	// Servers may have another working directory. The error would be that this
	// process has none.
	dir, err := filepath.Abs(filepath.Join(cfg.StateDir, "npm-logs"))
	if err != nil {
		return ""
	}
	return dir
}
