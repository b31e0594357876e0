package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// nodeVersion is the Node.js that is fetched where there is none that Fedify
// runs on.
const nodeVersion = "22.23.3"

// need skips a test on a machine that lacks what it needs, or fails it where
// everything is required.
func need(t *testing.T, err error, what string) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("HARK_TEST_REQUIRE") != "" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("%s: %v", what, err)
}

// installed puts the packages of testdata/fedify into a folder that is kept
// between runs, and returns it with the Node.js to use.
func installed(t *testing.T) (dir, node string) {
	t.Helper()
	npm, err := exec.LookPath("npm")
	need(t, err, "npm")
	cache, err := os.UserCacheDir()
	need(t, err, "cache folder")
	manifest, err := os.ReadFile("testdata/fedify/package.json")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile("testdata/fedify/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(cache, "hark-interop-fedify")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	commands := [][]string{{"ci", "--no-audit", "--no-fund", "--ignore-scripts"}}
	if node = usableNode(); node == "" {
		arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
		name := "node-" + runtime.GOOS + "-" + arch
		node = filepath.Join(dir, "node_modules", name, "bin", "node")
		commands = append(commands, []string{"install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", name + "@" + nodeVersion})
	}
	// Written last: a folder with it is complete.
	mark := filepath.Join(dir, "installed")
	known, _ := os.ReadFile(mark)
	if _, err := os.Stat(node); err == nil && bytes.Equal(known, lock) {
		return dir, node
	}
	for name, text := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, args := range commands {
		cmd := exec.CommandContext(ctx, npm, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			need(t, fmt.Errorf("%w\n%s", err, out), "npm "+args[0])
		}
	}
	if err := os.WriteFile(mark, lock, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, node
}

// usableNode is a Node.js of the machine on which Fedify runs; "" if none.
func usableNode() string {
	node, err := exec.LookPath("node")
	if err != nil {
		return ""
	}
	out, err := exec.Command(node, "--version").Output()
	var major int
	if err != nil {
		return ""
	}
	if _, err := fmt.Sscanf(string(out), "v%d", &major); err != nil || major < 22 {
		return ""
	}
	return node
}

// instance is a running Fedify instance.
type instance struct {
	t              *testing.T
	in             io.Writer
	lines          chan []byte
	Origin, Author string
	Actor          string
}

// answer is what the instance reports of what it did.
type answer struct {
	Error  string
	Status int
	Answer string
	ID     string
	Object string
	Doc    json.RawMessage
	List   []struct {
		Type, ID, Actor, Object string
		LD, Proof               *bool
		Scheme                  string
		Status                  int
	}
	Refused int
}

// tail keeps the last of what the instance logs, for when a test fails.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-16<<10):]
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// settings are what an instance is started with.
type settings struct {
	Relay      string `json:"relay"`
	FirstKnock string `json:"firstKnock"` // the scheme that Fedify tries first by itself
	Software   string `json:"software"`   // what it says that it is; "": fedify-test 1.0.0
	Version    string `json:"version"`
	Modern     bool   `json:"modern"` // refuses what the relay signs by draft-cavage
}

// start starts an instance beside a relay.
func start(t *testing.T, s settings) *instance {
	t.Helper()
	if s.Software == "" {
		s.Software, s.Version = "fedify-test", "1.0.0"
	}
	arg, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	dir, node := installed(t)
	script, err := os.ReadFile("testdata/fedify/instance.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// Modules are looked up from where the script lies.
	name := filepath.Join(dir, fmt.Sprintf("instance-%d.mjs", os.Getpid()))
	if err := os.WriteFile(name, script, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(name) })
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, node, name, string(arg))
	cmd.Dir = dir
	log := &tail{}
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	i := &instance{t: t, in: in, lines: make(chan []byte)}
	read := make(chan struct{})
	go func() { // the clean-up waits for it
		defer close(read)
		defer close(i.lines)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			select {
			case i.lines <- bytes.Clone(lines.Bytes()):
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("the instance's log:\n%s", log)
		}
	})
	if err := json.Unmarshal(i.line(), i); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *instance) line() []byte {
	i.t.Helper()
	select {
	case l, ok := <-i.lines:
		if !ok {
			i.t.Fatal("the instance ended")
		}
		return l
	case <-time.After(time.Minute):
		i.t.Fatal("the instance does not answer")
	}
	return nil
}

type args map[string]any

// do runs a command of the instance.
func (i *instance) do(name string, a args) answer {
	i.t.Helper()
	if a == nil {
		a = args{}
	}
	a["do"] = name
	line, err := json.Marshal(a)
	if err != nil {
		i.t.Fatal(err)
	}
	if _, err := i.in.Write(append(line, '\n')); err != nil {
		i.t.Fatal(err)
	}
	var out answer
	if err := json.Unmarshal(i.line(), &out); err != nil {
		i.t.Fatal(err)
	}
	if out.Error != "" {
		i.t.Fatalf("%s: %s", name, out.Error)
	}
	return out
}

// taken does a command and wants the relay to have taken it for a reason.
func (i *instance) taken(reason, name string, a args) answer {
	i.t.Helper()
	out := i.do(name, a)
	if out.Status != 202 || !strings.Contains(out.Answer, `"`+reason+`"`) {
		i.t.Fatalf("%s: answered %d %s, want %s\n%s", name, out.Status, out.Answer, reason, out.Doc)
	}
	return out
}

// heard tells whether Fedify verified an activity about an object and called
// its listener.
func (i *instance) heard(typ, object string) bool {
	i.t.Helper()
	for _, r := range i.do("received", nil).List {
		if r.Type == typ && (object == "" || r.Object == object) {
			return true
		}
	}
	return false
}

// refusedNothing wants Fedify to have taken all that arrived from the relay.
func (i *instance) refusedNothing() {
	i.t.Helper()
	for _, r := range i.do("arrived", nil).List {
		// What a test puts in by itself has no HTTP signature.
		if r.Scheme != "" && r.Status != 202 {
			i.t.Errorf("Fedify refused %s of %s, signed by %s: %d", r.Type, r.Object, r.Scheme, r.Status)
		}
	}
}
