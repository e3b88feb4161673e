package direct_test

import (
	"testing"

	"github.com/mooring-mcp/mooring/bridge/internal/direct"
)

func TestRecognize(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		env  []string
		want bool
	}{
		{"npx", []string{"pkg"}, nil, true},
		{"npx", []string{"-y", "@scope/pkg@1.2.3", "--dir", "/data"}, nil, true},
		{"/usr/bin/npx", []string{"--yes", "--prefer-offline", "pkg@latest", "-c", "not npx's"}, nil, true},
		{"uvx", []string{"mcp-server-time"}, nil, true},
		{"uvx", []string{"--from", "pkg[extra]==1.0", "-p", "3.12", "tool", "--offline"}, nil, true},
		{"uvx", []string{"--python=3.12", "tool@latest"}, nil, true},

		{"npx", nil, nil, false},
		{"npx", []string{"-y"}, nil, false},
		{"npx", []string{"-c", "pkg && other"}, nil, false},
		{"npx", []string{"--call=pkg"}, nil, false},
		{"npx", []string{"-p", "pkg", "tool"}, nil, false},
		{"npx", []string{"--package=pkg", "tool"}, nil, false},
		{"npx", []string{"pkg@^1"}, nil, false},
		{"npx", []string{"pkg@>=1"}, nil, false},
		{"npx", []string{"./folder"}, nil, false},
		{"npx", []string{"../folder"}, nil, false},
		{"npx", []string{"github:owner/name"}, nil, false},
		{"npx", []string{"owner/name"}, nil, false},
		{"npx", []string{"https://example.com/pkg.tgz"}, nil, false},
		{"npx", []string{"-w", "workspace", "pkg"}, nil, false},
		{"npx", []string{"--", "pkg"}, nil, false},
		{"npx", []string{"pkg"}, []string{"NPM_CONFIG_CALL=other"}, false},
		{"npx", []string{"pkg"}, []string{"npm_config_package=other"}, false},
		{"uvx", []string{"--from", "./project", "tool"}, nil, false},
		{"uvx", []string{"--from", "git+https://example.com/x", "tool"}, nil, false},
		{"uvx", []string{"--with-editable", ".", "tool"}, nil, false},
		{"uvx", []string{"--refresh", "tool"}, nil, false},
		{"uvx", []string{"--from"}, nil, false},
		{"uvx", []string{"pkg>=1"}, nil, false},
		{"node", []string{"server.js"}, nil, false},
		{"npm", []string{"exec", "pkg"}, nil, false},
	} {
		if _, got := direct.Recognize(test.name, test.args, test.env); got != test.want {
			t.Errorf("%s %q with %q: %t, want %t", test.name, test.args, test.env, got, test.want)
		}
	}
}
