package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

// settingsPage says what every program can be told.
const settingsPage = "../../docs/reference/settings.md"

// everywhere are flags of all programs, which the page tells of once.
var everywhere = map[string]bool{"--help": true, "--version": true}

var (
	// helpFlag begins what --help says of one flag.
	helpFlag = regexp.MustCompile(`(?m)^(?:  -\w, |      )(--[a-z-]+)`)
	// helpEnv is how it names a variable.
	helpEnv = regexp.MustCompile(`\(\$([A-Z_]+)\)`)
	// pageRow is a row of the page: flag, variable, default.
	pageRow = regexp.MustCompile("(?m)^\\| `(--[a-z-]+)` \\| (?:`([A-Z_]+)`)? ?\\| ([^|]*) \\|")
	// pageValue is a default that is written as it is typed.
	pageValue = regexp.MustCompile("^`([^`]+)`")
)

// setting is a flag of a program.
type setting struct {
	variable string
	// text is what --help says of it, or the page's default.
	text string
}

// TestSettingsPage holds the page equal to what the programs say of themselves.
func TestSettingsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.FromSlash(settingsPage))
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		sections[title] = text
	}
	programs := map[string][]string{
		"mooring": {"mooring"}, "xds": {"xds", "serve"}, "xds kubernetes": {"xds", "kubernetes"}, "extproc": {"extproc", "serve"}, "bridge": {"bridge"},
		"extproc make-key": {"extproc", "make-key"}, "extproc drain": {"extproc", "drain"}, "extproc check": {"extproc", "check"},
	}
	for title := range sections {
		if programs[title] == nil {
			t.Errorf("%s is no program", title)
		}
	}
	for title, command := range programs {
		told, written := toldSettings(t, command), writtenSettings(sections[title])
		if diff := cmp.Diff(variables(told), variables(written)); diff != "" {
			t.Errorf("%s: --help and the page differ (-help +page):\n%s", title, diff)
		}
		for flag, s := range written {
			if value := pageValue.FindStringSubmatch(s.text); value != nil && !strings.Contains(told[flag].text, strings.Fields(value[1])[0]) {
				t.Errorf("%s %s: the page's default %s is not that of --help: %s", title, flag, value[1], told[flag].text)
			}
		}
	}
}

// variables are the flags with the variable of each, if it has one.
func variables(settings map[string]setting) map[string]string {
	all := make(map[string]string, len(settings))
	for flag, s := range settings {
		all[flag] = s.variable
	}
	return all
}

// toldSettings are the flags in the help of a program.
func toldSettings(t *testing.T, command []string) map[string]setting {
	t.Helper()
	for _, flag := range []string{"--version", "--help"} {
		out, err := exec.CommandContext(t.Context(), harness.Program(t, command[0]), append(command[1:], flag)...).Output()
		if err != nil {
			t.Fatalf("%v %s: %v", command, flag, err)
		}
		if flag == "--help" {
			return parseHelp(string(out))
		}
		if !strings.HasPrefix(string(out), command[0]+" ") || !strings.Contains(string(out), "(commit ") {
			t.Errorf("%s %s: %s", command[0], flag, out)
		}
	}
	return nil
}

func parseHelp(help string) map[string]setting {
	found := make(map[string]setting)
	starts := helpFlag.FindAllStringSubmatchIndex(help, -1)
	for i, start := range starts {
		end := len(help)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		text := help[start[0]:end]
		s := setting{text: text}
		if env := helpEnv.FindStringSubmatch(text); env != nil {
			s.variable = env[1]
		}
		if flag := help[start[2]:start[3]]; !everywhere[flag] {
			found[flag] = s
		}
	}
	return found
}

// writtenSettings are the flags in a section of the page.
func writtenSettings(section string) map[string]setting {
	found := make(map[string]setting)
	for _, row := range pageRow.FindAllStringSubmatch(section, -1) {
		found[row[1]] = setting{variable: row[2], text: row[3]}
	}
	return found
}
