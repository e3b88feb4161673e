package stdio_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// modeVariable makes this test binary behave as one of the hostile servers.
const modeVariable = "STDIO_TEST_MODE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		play(mode)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// play is what the hostile servers do.
func play(mode string) {
	switch mode {
	case "echo":
		echo()
	case "garbage":
		fmt.Print("Welcome!\n\n\x1b[31mlistening\x1b[0m\n{\"a\":1}\r\nbye\n{\"b\":2}")
	case "crash":
		fmt.Fprintln(os.Stderr, "first line")
		fmt.Fprintln(os.Stderr, "cannot open the database")
		os.Exit(3)
	case "leak":
		token := os.Getenv("TOKEN")
		fmt.Println("the token is " + token)
		fmt.Fprintln(os.Stderr, "the token is", token)
		fmt.Fprintf(os.Stderr, "\x1b[31m%s\x1b[0m%s\n", token[:9], token[9:])
		for n := range 40 {
			// Across each place where a line may be cut.
			fmt.Fprintln(os.Stderr, strings.Repeat("x", 4<<10-n)+token+"y")
			fmt.Fprintln(os.Stderr, strings.Repeat("x", 400-n)+token+"y")
		}
		os.Exit(1)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		fmt.Println(`{"ready":true}`)
		time.Sleep(time.Hour)
	case "deaf":
		fmt.Println(`{"ready":true}`)
		time.Sleep(time.Hour)
	case "huge":
		fmt.Printf("{\"id\":1,%s}\n{\"small\":1}\n", bytes.Repeat([]byte("x"), 100_000))
		echo()
	case "family":
		family()
	case "daemon":
		daemon()
	case "traceback":
		fmt.Fprintln(os.Stderr, "Traceback:\n  File \"x.py\"\n\traise ValueError  ")
		echo()
	case "grandchild":
		time.Sleep(time.Hour)
	case "environment":
		environment()
	case "chatter":
		for i := range 5000 {
			fmt.Fprintln(os.Stderr, "noise", i)
		}
		fmt.Println(`{"ready":true}`)
		echo()
	}
}

func echo() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 32<<20)
	for lines.Scan() {
		fmt.Printf("%s\n", lines.Bytes())
	}
}

// family starts a process in its own group and one in a session of its own,
// prints their pids and waits for the end of input.
func family() {
	var pids []int
	for _, attr := range []*syscall.SysProcAttr{{}, {Setsid: true}} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), modeVariable+"=grandchild")
		cmd.SysProcAttr = attr
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		pids = append(pids, cmd.Process.Pid)
	}
	fmt.Printf("{\"pids\":[%d,%d]}\n", pids[0], pids[1])
	echo()
}

// daemon starts a process that leaves everything behind by which it is known,
// but keeps standard error, prints its pid and waits for the end of input.
func daemon() {
	cmd := exec.Command("sleep", "3600")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("{\"pids\":[%d]}\n", cmd.Process.Pid)
	echo()
}

// environment prints which descriptors and variables it has, and where it is.
func environment() {
	entries, _ := os.ReadDir("/proc/self/fd")
	extra := 0
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && entry.Name() > "2" && target != "anon_inode:[eventpoll]" &&
			target != "anon_inode:[eventfd]" && target != "/proc/self/fd" && !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "/sys/fs/cgroup/") {
			fmt.Fprintln(os.Stderr, entry.Name(), target)
			extra++
		}
	}
	dir, _ := os.Getwd()
	fmt.Printf("{\"extra\":%d,\"dir\":%q,\"variables\":%d,\"pgid\":%t}\n",
		extra, dir, len(os.Environ()), syscall.Getpgrp() == os.Getpid())
}
