package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hark/storage"
)

// folderOf writes files into a folder of the test.
func folderOf(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// resum writes the manifests of a changed bag anew, as somebody who forges one
// would.
func resum(files map[string]string) {
	s := &spool{}
	for name, content := range files {
		if name != sumsFile && name != tagSumsFile {
			s.entries = append(s.entries, entry{name, int64(len(content)), sumOf(content)})
		}
	}
	payload, tags := split(s.sorted())
	files[sumsFile] = string(sums(payload))
	files[tagSumsFile] = string(sums(append(tags, entry{sumsFile, 0, sumOf(files[sumsFile])})))
}

func refuse(t *testing.T, path string, want error) {
	t.Helper()
	_, err := Read(t.Context(), path, func(p *storage.Post) error {
		return fmt.Errorf("the post %q was passed on", p.URI)
	})
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestChangedArchives(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "export")
	export(t, options(dir), posts(3))
	for name, test := range map[string]struct {
		change func(files map[string]string)
		forge  bool // with new sums
		want   error
	}{
		"record changed":     {change: func(f map[string]string) { f[postsFile] += " " }, want: ErrChecksum},
		"table changed":      {change: func(f map[string]string) { f[tableFile] = "" }, want: ErrChecksum},
		"file missing":       {change: func(f map[string]string) { delete(f, labelsFile) }, want: ErrChecksum},
		"file added":         {change: func(f map[string]string) { f["data/more.txt"] = "x" }, want: ErrChecksum},
		"manifest changed":   {change: func(f map[string]string) { f[manifestFile] += " " }, want: ErrChecksum},
		"sums changed":       {change: func(f map[string]string) { f[sumsFile] += "\n" }, want: ErrChecksum},
		"no sums":            {change: func(f map[string]string) { delete(f, sumsFile) }, want: ErrChecksum},
		"no tag sums":        {change: func(f map[string]string) { delete(f, tagSumsFile) }, want: ErrChecksum},
		"no bagit.txt":       {change: func(f map[string]string) { delete(f, bagitFile) }, want: ErrFormat},
		"other bagit.txt":    {change: func(f map[string]string) { f[bagitFile] = "BagIt-Version: 7\n" }, want: ErrFormat},
		"sums of elsewhere":  {change: func(f map[string]string) { f[sumsFile] += sumOf("") + "  ../../etc/passwd\n" }, want: ErrFormat},
		"sums not sums":      {change: func(f map[string]string) { f[sumsFile] = "hello\n" }, want: ErrFormat},
		"to be fetched":      {change: func(f map[string]string) { f["fetch.txt"] = "https://x.example/ 1 data/x\n" }, want: ErrFormat},
		"no manifest.json":   {change: func(f map[string]string) { delete(f, manifestFile) }, forge: true, want: ErrChecksum},
		"other manifest":     {change: func(f map[string]string) { f[manifestFile] = `{"format":"zoo","format_version":1}` }, forge: true, want: ErrFormat},
		"broken manifest":    {change: func(f map[string]string) { f[manifestFile] = `{` }, forge: true, want: ErrFormat},
		"newer form":         {change: replace(manifestFile, `"format_version": 1`, `"format_version": 2`), forge: true, want: storage.ErrNewer},
		"other level":        {change: replace(manifestFile, `"verbatim"`, `"aggregates"`), forge: true, want: ErrLevel},
		"no records":         {change: func(f map[string]string) { delete(f, postsFile) }, forge: true, want: ErrFormat},
		"fewer records":      {change: func(f map[string]string) { f[postsFile] = "" }, forge: true, want: ErrFormat},
		"broken record":      {change: func(f map[string]string) { f[postsFile] = "{\n" }, forge: true, want: ErrFormat},
		"record without uri": {change: func(f map[string]string) { f[postsFile] = "{}\n" }, forge: true, want: ErrFormat},
		"endless record": {change: func(f map[string]string) {
			f[postsFile] = `{"uri":"x","text":"` + strings.Repeat("x", maxRecord) + "\"}\n"
		}, forge: true, want: ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			files := tree(t, dir)
			test.change(files)
			if test.forge {
				resum(files)
			}
			refuse(t, folderOf(t, files), test.want)
		})
	}
}

func replace(file, from, to string) func(map[string]string) {
	return func(f map[string]string) { f[file] = strings.Replace(f[file], from, to, 1) }
}

// tarOf packs headers; every file has the same short content.
func tarOf(t *testing.T, headers ...*tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		content := "x"
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return fileOf(t, b.String())
}

func fileOf(t testing.TB, content string) string {
	t.Helper()
	return filepath.Join(folderOf(t, map[string]string{"file": content}), "file")
}

func TestHostileFiles(t *testing.T) {
	reg := func(name string) *tar.Header { return &tar.Header{Typeflag: tar.TypeReg, Name: name} }
	for name, path := range map[string]string{
		"empty":           fileOf(t, ""),
		"text":            fileOf(t, "hello world"),
		"only gzip":       fileOf(t, "\x1f\x8b"),
		"only zstd":       fileOf(t, "\x28\xb5\x2f\xfd\xff\xff"),
		"only zip":        fileOf(t, "PK\x03\x04"),
		"no bag":          tarOf(t, reg("a.txt")),
		"climbs":          tarOf(t, reg("../../etc/cron.d/x")),
		"climbs within":   tarOf(t, reg("bag/../../x")),
		"absolute":        tarOf(t, reg("/etc/passwd")),
		"backslash":       tarOf(t, reg(`..\..\x`)),
		"control":         tarOf(t, reg("a\x1b[2Jb")),
		"twice":           tarOf(t, reg("bag/bagit.txt"), reg("bag/bagit.txt")),
		"two bags":        tarOf(t, reg("a/bagit.txt"), reg("b/bagit.txt")),
		"link":            tarOf(t, &tar.Header{Typeflag: tar.TypeSymlink, Name: "data", Linkname: "/etc"}),
		"hard link":       tarOf(t, &tar.Header{Typeflag: tar.TypeLink, Name: "data", Linkname: "/etc/passwd"}),
		"device":          tarOf(t, &tar.Header{Typeflag: tar.TypeChar, Name: "null"}),
		"empty folder":    t.TempDir(),
		"cut collection":  fileOf(t, `{"type":"OrderedCollection","x":`),
		"empty zip-alike": fileOf(t, "PK\x03\x04"+strings.Repeat("\x00", 1000)),
	} {
		t.Run(name, func(t *testing.T) { refuse(t, path, ErrFormat) })
	}
	if _, err := Read(t.Context(), filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	link := filepath.Join(folderOf(t, nil), "link")
	if err := os.Symlink("/etc/passwd", link); err == nil {
		refuse(t, filepath.Dir(link), ErrFormat)
	}
}

// TestTruncated cuts archives off: each is refused before a post is passed on.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"e.tar.gz", "e.tar.zst", "e.zip"} {
		out := filepath.Join(t.TempDir(), name)
		export(t, options(out), posts(5))
		whole, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{5, 100, len(whole) / 2, len(whole) - 100} {
			path := fileOf(t, string(whole[:n]))
			if _, err := Read(t.Context(), path, func(*storage.Post) error { return errors.New("passed on") }); !errors.Is(err, ErrFormat) && !errors.Is(err, ErrChecksum) {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
		}
	}
}

// TestBomb: little that unpacks to very much is given up.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks hundreds of megabytes")
	}
	zeros := make([]byte, 1<<20)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("bag/bagit.txt.bin")
	for range freeRatio>>20 + 2 {
		if err == nil {
			_, err = w.Write(zeros)
		}
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	refuse(t, fileOf(t, b.String()), ErrLimit)
}

// bareActivity makes a post of what an account's export holds.
func bareActivity(raw []byte) (*storage.Post, error) {
	var a struct {
		ID, Type, Actor string
		Object          json.RawMessage
	}
	var note struct{ ID, Content string }
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, err
	}
	if a.Type != "Create" {
		return nil, nil
	}
	if err := json.Unmarshal(a.Object, &note); err != nil {
		return nil, err
	}
	return &storage.Post{URI: note.ID, Actor: a.Actor, Text: note.Content, ActivityID: a.ID, Raw: bytes.Clone(raw)}, nil
}

func TestBareActivities(t *testing.T) {
	create := func(n int) string {
		return fmt.Sprintf(`{"id":"https://a.example/%d/activity","type":"Create","actor":"https://a.example/ann","object":{"id":"https://a.example/%d","content":"no. %d"}}`, n, n, n)
	}
	like := `{"id":"https://a.example/like","type":"Like","actor":"https://a.example/ann","object":"https://b.example/1"}`
	outbox := `{"@context":"https://www.w3.org/ns/activitystreams","id":"outbox.json","type":"OrderedCollection","totalItems":4,
		"orderedItems":[` + create(1) + `, "https://a.example/only-an-id", ` + like + ",\n" + create(2) + `]}`
	want := []string{"https://a.example/1", "https://a.example/2"}
	packed := filepath.Join(t.TempDir(), "account.tar.gz")
	w, err := os.Create(packed)
	if err != nil {
		t.Fatal(err)
	}
	c, err := packGzip(w)
	for name, content := range map[string]string{"actor.json": "{}", "outbox.json": outbox, "media/x.png": "png"} {
		err = errors.Join(err, c.add(name, int64(len(content)), strings.NewReader(content)))
	}
	if err := errors.Join(err, c.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"outbox":         fileOf(t, outbox),
		"lines":          fileOf(t, create(1)+"\n\n"+like+"\r\n"+create(2)),
		"account":        packed,
		"account folder": folderOf(t, map[string]string{"activitypub/outbox.json": outbox, "manifest.yml": "x"}),
	} {
		t.Run(name, func(t *testing.T) {
			refuse(t, path, ErrActivities)
			var got []string
			s, err := ReadWith(t.Context(), path, ReadOptions{Activity: bareActivity}, func(p *storage.Post) error {
				got = append(got, p.URI)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" || s.Posts != 2 || s.Activities != 3 {
				t.Errorf("%+v (-want +got):\n%s", s, d)
			}
		})
	}
	for name, content := range map[string]string{
		"line of text":   create(1) + "\nhello\n",
		"line of list":   create(1) + "\n[]\n",
		"no list":        `{"type":"OrderedCollection","orderedItems":"x"}`,
		"broken item":    `{"type":"OrderedCollection","orderedItems":[{"id":]}`,
		"pretty printed": "{\n\"id\": \"x\"\n}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadWith(t.Context(), fileOf(t, content), ReadOptions{Activity: bareActivity}, func(*storage.Post) error { return nil })
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// FuzzRead reads lines of data/posts.jsonl that anybody may have written: no
// panic, and what is read is written the same again.
func FuzzRead(f *testing.F) {
	for _, p := range posts(2) {
		line, err := marshalPost(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"uri":"x","id":"-1"}`))
	f.Add([]byte(`{"uri":"\ud800","published":"0001-01-01T00:00:00.1+23:59","raw_bytes":"/w=="}`))
	f.Add([]byte(`{"uri":"x","labels":[{"name":"a","score":1e-400}],"attachments":[{}],"evidence":{}}`))
	f.Add([]byte("{}\n[]\nnull"))
	f.Fuzz(func(t *testing.T, content []byte) {
		_ = lines(bytes.NewReader(content), 1<<16, func(_ int64, line []byte) error {
			p, err := unmarshalPost(line)
			if err != nil {
				if !errors.Is(err, ErrFormat) {
					t.Fatalf("error %v", err)
				}
				return nil
			}
			_ = activityOf(p)
			first, err := marshalPost(p)
			if err != nil {
				t.Fatal(err)
			}
			again, err := unmarshalPost(first)
			if err != nil {
				t.Fatalf("what was written is not read: %v\n%s", err, first)
			}
			if d := cmp.Diff(p, again, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("(-first +again):\n%s", d)
			}
			return nil
		})
	})
}
