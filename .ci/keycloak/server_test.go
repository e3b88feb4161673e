package keycloak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mooring-mcp/mooring/envoy/e2e/harness"
)

const (
	realm    = "acme"
	password = "not-a-secret-of-anybody"
)

// server is a running Keycloak with an empty realm.
type server struct {
	t     *testing.T
	url   string
	admin string
	stop  func()
}

// start starts Keycloak in development mode with its data in memory.
func start(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	//nolint:gosec // The program is the one that the Makefile installed.
	cmd := exec.Command(filepath.Join(os.Getenv("KEYCLOAK"), "bin", "kc.sh"), "start-dev", "--db=dev-mem",
		"--http-host=127.0.0.1", fmt.Sprintf("--http-port=%d", port))
	cmd.Env = append(os.Environ(), "JAVA_HOME="+javaHome(t), "KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD="+password)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	console := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = console, console
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("Keycloak:\n%s", console)
		}
	})
	harness.Await(t, "Keycloak answers", 3*time.Minute, func() bool {
		res, err := http.Get(s.url + "/realms/master")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	s.admin = s.token("master", url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {password},
	})
	return s
}

// javaHome is a Java that this Keycloak runs on: the caller's, or the newest of
// the machine's.
func javaHome(t *testing.T) string {
	t.Helper()
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return home
	}
	for _, version := range []string{"25", "24", "23", "22", "21"} {
		found, err := filepath.Glob("/usr/lib/jvm/*" + version + "*/bin/java")
		if err == nil && len(found) > 0 {
			return path.Dir(path.Dir(found[0]))
		}
	}
	t.Fatal("Keycloak needs Java 21 or later: install a JDK, or name it by JAVA_HOME")
	return ""
}

func (s *server) issuer() string { return s.url + "/realms/" + realm }

// token asks the realm for an access token.
func (s *server) token(realm string, form url.Values) string {
	s.t.Helper()
	res, err := http.PostForm(s.url+"/realms/"+realm+"/protocol/openid-connect/token", form)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		s.t.Fatalf("Keycloak gives no token: status %d, error %v", res.StatusCode, err)
	}
	return answer.AccessToken
}

// ask is a request to Keycloak's admin API. It answers the id of what was made,
// and decodes the answer into out where that is not nil.
func (s *server) ask(method, at string, in, out any) (id string) {
	s.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+"/admin/realms"+at, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.admin)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		s.t.Fatalf("%s %s: status %d, error %v: %s", method, at, res.StatusCode, err, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			s.t.Fatal(err)
		}
	}
	return path.Base(strings.TrimRight(res.Header.Get("Location"), "/"))
}
