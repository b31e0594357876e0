package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hark/activitypub/sig"
	"hark/relay"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/sqlite"
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
	if os.Getenv("HARK_TEST_REQUIRE") == "1" {
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
	}
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

// start starts an instance beside a relay. firstKnock is the scheme that
// Fedify tries first by itself.
func start(t *testing.T, base, firstKnock string) *instance {
	t.Helper()
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
	cmd := exec.CommandContext(ctx, node, name, base, firstKnock)
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

func node(t *testing.T) (*relay.Node, *sqlite.Store) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	key, err := sig.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	log := &tail{}
	n, err := relay.New(relay.Options{
		Store: store, Key: key, Listen: "127.0.0.1:0", AllowPrivate: true, AllowHTTP: true, HostRate: 1000, GlobalRate: 10000,
		RetryMin: 50 * time.Millisecond, RetryMax: time.Second, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the relay's log:\n%s", log)
		}
	})
	return n, store
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 seconds", what)
		}
	}
}

// neighbour is a simulated Mastodon that has subscribed.
func neighbour(t *testing.T, n *relay.Node) *neighbourhood.Instance {
	t.Helper()
	hood, err := neighbourhood.Start(t.Context(), neighbourhood.Options{Relay: n.BaseURL(), Mastodon: 1, AuthorsPerInstance: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hood.Close() })
	if err := hood.Subscribe(t.Context()); err != nil {
		t.Fatal(err)
	}
	return hood.Instances()[0]
}

func formOf(in *neighbourhood.Instance, object string) neighbourhood.Form {
	for _, r := range in.Received() {
		if r.ObjectID == object && r.Verified {
			return r.Form
		}
	}
	return ""
}

// TestFedifyAsMastodon: an instance on Fedify subscribes as Mastodon does,
// publishes with every kind of signature, and verifies what the relay sends.
func TestFedifyAsMastodon(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Node.js")
	}
	n, store := node(t)
	other := neighbour(t, n)
	f := start(t, n.BaseURL(), "rfc9421")
	f.taken("subscribed", "follow", args{"object": "public", "http": "rfc9421"})
	eventually(t, "the Accept, verified by Fedify", func() bool { return f.heard("Accept", "") })

	type how struct {
		http      string
		ld, proof bool
		form      neighbourhood.Form
		scheme    string
	}
	var last answer
	for _, h := range []how{
		{"draft-cavage-http-signatures-12", false, false, neighbourhood.FormAnnounce, "cavage"},
		{"rfc9421", false, false, neighbourhood.FormAnnounce, "rfc9421"},
		{"draft-cavage-http-signatures-12", true, false, neighbourhood.FormForward, "cavage"},
		{"rfc9421", true, false, neighbourhood.FormForward, "rfc9421"},
		{"rfc9421", false, true, neighbourhood.FormAnnounce, "rfc9421"}, // the neighbour is too old for integrity proofs
		{"rfc9421", true, true, neighbourhood.FormAnnounce, "rfc9421"},  // both proofs count as none
	} {
		what := fmt.Sprintf("%s, ld %v, proof %v", h.http, h.ld, h.proof)
		sent := f.taken("relayed", "publish", args{"content": "interop " + what, "http": h.http, "ld": h.ld, "proof": h.proof})
		eventually(t, what+": at the other subscriber", func() bool { return formOf(other, sent.Object) != "" })
		if form := formOf(other, sent.Object); form != h.form {
			t.Errorf("%s: reached the neighbour as %s, want %s\n%s", what, form, h.form, sent.Doc)
		}
		var post storage.Post
		eventually(t, what+": stored", func() bool {
			p, err := store.GetPostByURI(t.Context(), sent.Object)
			post = p
			return err == nil
		})
		if post.Evidence.Scheme != h.scheme || post.Actor != f.Author || !strings.Contains(post.Text, "interop") {
			t.Errorf("%s: stored %q by %s, proven by %q", what, post.Text, post.Actor, post.Evidence.Scheme)
		}
		if h.ld && !h.proof {
			last = sent
		}
	}
	entries, err := store.Read(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	proofs := map[storage.Proof]int{}
	for _, e := range entries {
		proofs[e.Proof]++
	}
	if proofs[storage.ProofLD] != 2 || proofs[storage.ProofIntegrity] != 1 {
		t.Errorf("journaled with proofs %v", proofs)
	}

	t.Run("as Fedify does it by itself", func(t *testing.T) {
		sent := f.do("send", args{"content": "interop by itself"})
		eventually(t, "at the other subscriber", func() bool { return formOf(other, sent.Object) != "" })
	})
	t.Run("edit and delete", func(t *testing.T) {
		f.taken("relayed", "edit", args{"object": last.Object, "content": "interop, corrected", "http": "rfc9421", "ld": true})
		eventually(t, "the edit is stored", func() bool {
			p, err := store.GetPostByURI(t.Context(), last.Object)
			return err == nil && strings.Contains(p.Text, "corrected")
		})
		f.taken("relayed", "remove", args{"object": last.Object, "http": "rfc9421", "ld": true})
		eventually(t, "the post is gone", func() bool {
			_, err := store.GetPostByURI(t.Context(), last.Object)
			return errors.Is(err, storage.ErrNotFound)
		})
	})
	t.Run("receives and verifies", func(t *testing.T) {
		sent, err := other.Publish(t.Context(), neighbourhood.Post{Entry: neighbourhood.Corpus()[0]})
		if err != nil || sent.Status != 202 {
			t.Fatalf("%+v, %v", sent, err)
		}
		eventually(t, "the neighbour's post at Fedify", func() bool {
			return f.heard("Create", sent.ObjectID) || f.heard("Announce", sent.ObjectID)
		})
		accepts := f.do("prove", args{"type": "Accept"}).List
		if len(accepts) == 0 {
			t.Error("no Accept to prove")
		}
		for _, r := range accepts {
			if r.Proof == nil || !*r.Proof {
				t.Errorf("Fedify does not take the proof of %s", r.ID)
			}
		}
	})
	t.Run("leaves", func(t *testing.T) {
		f.taken("unsubscribed", "unfollow", args{"http": "rfc9421"})
	})
}

// TestFedifyAsLitePub: an instance on Fedify follows the relay's actor, is
// followed back, announces its posts, which Hark fetches signed, and gets
// Announces.
func TestFedifyAsLitePub(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Node.js")
	}
	n, store := node(t)
	other := neighbour(t, n)
	f := start(t, n.BaseURL(), "draft-cavage-http-signatures-12")
	f.taken("subscribed", "follow", args{"object": "actor", "http": "draft-cavage-http-signatures-12"})
	eventually(t, "the Accept, verified by Fedify", func() bool { return f.heard("Accept", "") })
	eventually(t, "the follow back", func() bool { return f.heard("Follow", "") })
	eventually(t, "the mutual subscription", func() bool {
		s, err := store.GetSubscriber(t.Context(), f.Actor)
		return err == nil && s.Mutual && s.State == storage.StateActive && s.Flavour == storage.FlavourLitePub && s.Software == "fedify-test"
	})
	sent := f.taken("resolving", "announce", args{"content": "interop announced", "http": "rfc9421"})
	eventually(t, "the announced post at the other subscriber", func() bool { return formOf(other, sent.Object) == neighbourhood.FormAnnounce })
	eventually(t, "the announced post, fetched signed and stored", func() bool {
		p, err := store.GetPostByURI(t.Context(), sent.Object)
		return err == nil && strings.Contains(p.Text, "interop announced")
	})
	theirs, err := other.Publish(t.Context(), neighbourhood.Post{Entry: neighbourhood.Corpus()[1]})
	if err != nil || theirs.Status != 202 {
		t.Fatalf("%+v, %v", theirs, err)
	}
	eventually(t, "an Announce at Fedify", func() bool { return f.heard("Announce", theirs.ObjectID) })
	announces := f.do("prove", args{"type": "Announce"}).List
	if len(announces) == 0 {
		t.Error("no Announce to prove")
	}
	for _, r := range announces {
		if r.LD == nil || !*r.LD {
			t.Errorf("Fedify does not take the linked data signature of %s", r.ID)
		}
	}
}
