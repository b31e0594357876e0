package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hark/storage"
)

var day0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// post makes the n-th post of a test, with every field set.
func post(n int) *storage.Post {
	uri := fmt.Sprintf("https://a.example/notes/%d", n)
	return &storage.Post{
		ID: day0.UnixMilli()<<16 | int64(n), URI: uri, URL: "https://a.example/@ann/" + fmt.Sprint(n), Type: "Note",
		Actor: "https://a.example/users/ann", Handle: "ann@a.example", Name: "Ann & <Ann>", Host: "a.example", Via: "b.example",
		Software: "mastodon", Published: day0.Add(time.Duration(n) * time.Second), Received: day0.Add(time.Duration(n)*time.Second + 123*time.Millisecond),
		Edited: day0.Add(time.Hour), Language: "ja", Text: "=火災 <b>\u2028\"quoted\", line\nnext", Warning: "cw", Sensitive: true,
		InReplyTo: "https://b.example/1", Quote: "https://b.example/2", Bot: true, Tags: []string{"storm"}, Mentions: []string{"bob@b.example"},
		Links:       []string{"https://c.example/page"},
		Attachments: []storage.Attachment{{URL: "https://a.example/m.png", MediaType: "image/png", Kind: "image", Description: "a chart"}},
		Poll:        []string{"yes", "no"}, Emojis: true,
		Labels: []storage.Label{
			{Name: "threat", Score: 0.75, Over: true, Model: "rules-1", Reasons: []storage.Reason{{Text: "x", Start: 0, End: 1, Rule: "r", Weight: -0.25, Note: "why"}}},
			{Name: "spam", Score: 0.1, Model: "rules-1"}},
		ModelVer: "rules-1", SimHash: 1<<63 | uint64(n), Consent: "opt-out",
		Raw: fmt.Appendf(nil, `{"@context":"https://www.w3.org/ns/activitystreams","id":"%s/activity","type":"Create","actor":"https://a.example/users/ann","big":12345678901234567890,"object":{"id":%q,"type":"Note"}}`, uri, uri),
		Evidence: storage.Evidence{Scheme: "cavage", KeyID: "https://a.example/users/ann#main-key", Signature: "c2ln",
			Components: []string{"(request-target)", "host"}, Digest: "SHA-256=x", Date: "now"},
		ActivityID: uri + "/activity",
	}
}

func posts(n int) (all []*storage.Post) {
	for i := range n {
		all = append(all, post(i))
	}
	return all
}

// from is a source of those posts.
func from(all []*storage.Post) func(context.Context, func(*storage.Post) error) error {
	return func(_ context.Context, fn func(*storage.Post) error) error {
		for _, p := range all {
			if err := fn(p); err != nil {
				return err
			}
		}
		return nil
	}
}

func options(out string) Options {
	return Options{Out: out, Node: "https://relay.example", Software: "hark", Version: "1.2.3", Query: `label:threat "a b"`, Created: day0}
}

// export writes an archive, and fails the test if that fails.
func export(t testing.TB, o Options, all []*storage.Post) Summary {
	t.Helper()
	s, err := Write(t.Context(), o, from(all))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// importAll reads an archive.
func importAll(t testing.TB, path string) (all []*storage.Post, s Summary) {
	t.Helper()
	s, err := Read(t.Context(), path, func(p *storage.Post) error {
		all = append(all, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, s
}

// tree is the content of a folder by path.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sumOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func noLeftovers(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

func TestLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "export")
	o := options(dir)
	o.PageSize = 2
	object, none, odd := post(3), post(4), post(5)
	object.Raw = []byte("{\n  \"id\": \"https://a.example/notes/3\",\n  \"type\": \"Question\",\n  \"attributedTo\": \"https://a.example/users/ann\",\n  \"to\": [\"as:Public\"]\n}")
	none.Raw = nil
	odd.Raw, odd.Text = []byte("no JSON \xff"), "\xffbad"
	s := export(t, o, append(posts(3), object, none, odd))
	if s.Posts != 6 || s.Activities != 4 || s.Without != 2 || s.Labels != 12 || s.Files != 7 || s.Size != 0 || s.Consent["opt-out"] != 6 {
		t.Errorf("summary %+v", s)
	}
	files := tree(t, dir)
	var bytes int64
	for _, path := range []string{"bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "manifest.json", "README.md",
		"data/activitystreams/collection.json", "data/activitystreams/page-00001.json", "data/activitystreams/page-00002.json",
		"data/activities.jsonl", "data/posts.jsonl", "data/labels.jsonl", "data/posts.csv"} {
		if _, ok := files[path]; !ok {
			t.Errorf("no %s", path)
		}
		if strings.HasPrefix(path, "data/") {
			bytes += int64(len(files[path]))
		}
	}
	if len(files) != 13 || bytes != s.Bytes {
		t.Errorf("%d files, %d bytes", len(files), bytes)
	}
	if !strings.Contains(files["bag-info.txt"], fmt.Sprintf("Payload-Oxum: %d.7\n", bytes)) {
		t.Errorf("bag-info.txt: %s", files["bag-info.txt"])
	}
	if !strings.Contains(files["README.md"], `    label:threat "a b"`) || strings.Contains(files["README.md"], "<no value>") {
		t.Errorf("README.md: %s", files["README.md"])
	}
	var m manifest
	if err := json.Unmarshal([]byte(files["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	if m.Level != "verbatim" || m.Query != o.Query || m.Counts != (counts{6, 4, 2, 12}) || m.Created != "2026-03-01T12:00:00Z" ||
		m.Published.From != "2026-03-01T12:00:00Z" || m.Received.To != "2026-03-01T12:00:05.123Z" || m.Models["rules-1"] != 6 || len(m.Files) != 7 {
		t.Errorf("manifest %+v", m)
	}
	if lines := strings.Split(files["data/activities.jsonl"], "\n"); lines[0] != string(post(0).Raw) {
		t.Errorf("activity %s", lines[0])
	}
}

func TestCollection(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "export")
	o := options(dir)
	o.PageSize = 2
	object := post(4)
	object.Raw = []byte(`{"id":"https://a.example/notes/4","type":"Note","attributedTo":"https://a.example/users/ann","to":["as:Public"],"published":"2026-03-01T00:00:00Z"}`)
	export(t, o, append(posts(4), object))
	var c collection
	read := func(name string, v any) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, "data", "activitystreams", name))
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read("collection.json", &c)
	if c.Type != "OrderedCollection" || c.TotalItems != 5 || !strings.HasPrefix(c.ID, "https://relay.example/exports/") {
		t.Errorf("collection %+v", c)
	}
	var items []json.RawMessage
	n := 0
	for next := c.First; next != ""; n++ {
		var page struct {
			pageHead
			OrderedItems []json.RawMessage `json:"orderedItems"`
		}
		read(next[strings.LastIndex(next, "/")+1:], &page)
		if page.ID != next || page.Type != "OrderedCollectionPage" || page.PartOf != c.ID || page.StartIndex != int64(len(items)) || n > 0 != (page.Prev != "") {
			t.Errorf("page %+v", page.pageHead)
		}
		items = append(items, page.OrderedItems...)
		next = page.Next
	}
	if n != 3 || len(items) != 5 || string(items[1]) != string(post(1).Raw) {
		t.Errorf("%d pages, %d items", n, len(items))
	}
	var wrapped struct {
		create
		ID *string `json:"id"`
	}
	if err := json.Unmarshal(items[4], &wrapped); err != nil {
		t.Fatal(err)
	}
	if wrapped.Type != "Create" || string(wrapped.Object) != string(object.Raw) || string(wrapped.Actor) != `"https://a.example/users/ann"` ||
		string(wrapped.To) != `["as:Public"]` || wrapped.ID != nil {
		t.Errorf("wrapped %s", items[4])
	}
}

func TestSha256sum(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("no sha256sum on this machine")
	}
	dir := filepath.Join(t.TempDir(), "export")
	export(t, options(dir), posts(3))
	for _, list := range []string{"manifest-sha256.txt", "tagmanifest-sha256.txt"} {
		cmd := exec.CommandContext(t.Context(), tool, "--strict", "-c", list)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", list, err, out)
		}
	}
}

// TestRoundTrip exports, imports and exports again: the records are equal and
// the files under data/ the same, in every kind of packing.
func TestRoundTrip(t *testing.T) {
	all := posts(5)
	all[1].Raw, all[2].Raw, all[3].Raw = nil, []byte("\xff\xfe"), []byte("{\n\"pretty\": true}\n")
	all[4] = &storage.Post{URI: "https://a.example/bare"}
	for _, name := range []string{"e.tar.gz", "e.tgz", "e.tar.zst", "e.zip", "e", "e.d" + string(os.PathSeparator)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			out := dir + string(os.PathSeparator) + name
			first := export(t, options(out), all)
			got, read := importAll(t, out)
			if d := cmp.Diff(all, got, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("records (-want +got):\n%s", d)
			}
			if read.ID != first.ID || read.Posts != first.Posts || read.Labels != first.Labels || read.Bytes != first.Bytes || read.Size != first.Size ||
				read.Activities != first.Activities || read.Files != first.Files || read.Level != LevelVerbatim {
				t.Errorf("read %+v, written %+v", read, first)
			}
			a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			export(t, options(a), all)
			later := options(b)
			later.Created, later.Query = day0.AddDate(1, 0, 0), ""
			second := export(t, later, got)
			if d := cmp.Diff(tree(t, filepath.Join(a, "data")), tree(t, filepath.Join(b, "data"))); d != "" {
				t.Errorf("data (-first +second):\n%s", d)
			}
			if second.ID != first.ID {
				t.Errorf("id %s, then %s", first.ID, second.ID)
			}
			noLeftovers(t, dir, "a", "b", strings.TrimSuffix(name, string(os.PathSeparator)))
		})
	}
}

func TestDeterministic(t *testing.T) {
	for _, name := range []string{"e.tar.gz", "e.tar.zst", "e.zip"} {
		var sums []string
		for range 2 {
			s := export(t, options(filepath.Join(t.TempDir(), name)), posts(50))
			sums = append(sums, s.SHA256)
		}
		if sums[0] != sums[1] || len(sums[0]) != 64 {
			t.Errorf("%s: %v", name, sums)
		}
	}
}

func TestTable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "export")
	evil := post(1)
	evil.Name, evil.Warning, evil.Poll, evil.Tags = "@SUM(A1)", "\tx", []string{"-1", "+2"}, []string{"＝1"}
	export(t, options(dir), []*storage.Post{post(0), evil})
	f, err := os.Open(filepath.Join(dir, "data", "posts.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(bufio.NewReader(f)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"id", "thread_id", "author", "body", "timestamp"}; !cmp.Equal(rows[0][:5], want) {
		t.Errorf("header %v", rows[0])
	}
	want := []string{"https://a.example/notes/0", "https://b.example/1", "ann@a.example", "'" + post(0).Text, "2026-03-01 12:00:00"}
	if d := cmp.Diff(want, rows[1][:5]); d != "" {
		t.Error(d)
	}
	for _, row := range rows[1:] {
		for i, c := range row {
			if c != "" && strings.ContainsAny(c[:1], "=+-@\t\r\n") {
				t.Errorf("%s is a formula: %q", rows[0][i], c)
			}
		}
	}
}

func TestNothingHalfDone(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("source failed")
	for _, name := range []string{"e.tar.gz", "e.zip", "e"} {
		_, err := Write(t.Context(), options(filepath.Join(dir, name)), func(_ context.Context, fn func(*storage.Post) error) error {
			return errors.Join(fn(post(1)), broken)
		})
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		o := options(filepath.Join(dir, name))
		o.Progress = func(n int64) {
			if n == 2 {
				cancel()
			}
		}
		if _, err := Write(ctx, o, from(posts(3))); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	noLeftovers(t, dir)
	taken := filepath.Join(dir, "taken.zip")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(t.Context(), options(taken), from(nil)); !errors.Is(err, storage.ErrExists) {
		t.Errorf("over a file: %v", err)
	}
	if b, _ := os.ReadFile(taken); string(b) != "mine" {
		t.Error("a file was replaced")
	}
	for out, want := range map[string]error{"": ErrOut, "x.rar": ErrOut, "x.json": ErrOut, ".": storage.ErrExists} {
		if out != "" && out != "." {
			out = filepath.Join(dir, out)
		}
		if _, err := Write(t.Context(), options(out), from(nil)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", out, err, want)
		}
	}
	o := options(filepath.Join(dir, "x.zip"))
	o.Level = "pseudonymised"
	if _, err := Write(t.Context(), o, from(nil)); !errors.Is(err, ErrLevel) {
		t.Errorf("level: %v", err)
	}
	noLeftovers(t, dir, "taken.zip")
}

func TestEmpty(t *testing.T) {
	out := filepath.Join(t.TempDir(), "none.tar.gz")
	if s := export(t, options(out), nil); s.Posts != 0 || s.ID == "" {
		t.Errorf("summary %+v", s)
	}
	if got, _ := importAll(t, out); len(got) != 0 {
		t.Errorf("%d posts", len(got))
	}
}

// TestStops: an error of the receiver is the one that comes back.
func TestStops(t *testing.T) {
	out := filepath.Join(t.TempDir(), "e.tar.zst")
	export(t, options(out), posts(10))
	n := 0
	_, err := Read(t.Context(), out, func(*storage.Post) error {
		if n++; n == 3 {
			return io.ErrClosedPipe
		}
		return nil
	})
	if !errors.Is(err, io.ErrClosedPipe) || n != 3 {
		t.Errorf("%v after %d", err, n)
	}
}
