package archive_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hark/storage"
	"hark/storage/archive"
	"hark/storage/query"
	"hark/storage/sqlite"
)

func openStore(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// export writes what a store has into a folder and returns its data files.
func export(t *testing.T, s *sqlite.Store) (string, map[string]string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "export")
	q := query.Parse("", query.Options{})
	_, err := archive.Write(t.Context(), archive.Options{Out: out, Node: "https://relay.example", PageSize: 7}, func(ctx context.Context, fn func(*storage.Post) error) error {
		return s.Each(ctx, q, fn)
	})
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, pattern := range []string{"*", "activitystreams/*"} {
		names, err := filepath.Glob(filepath.Join(out, "data", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil {
				files[name[len(out):]] = string(b)
			}
		}
	}
	return out, files
}

// TestThroughTheStore: what one node exports and another imports is exported
// by that one byte for byte.
func TestThroughTheStore(t *testing.T) {
	first, second := openStore(t), openStore(t)
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var ops []storage.Op
	for n := range 20 {
		uri := fmt.Sprintf("https://a.example/notes/%d", n)
		p := &storage.Post{URI: uri, Actor: "https://a.example/users/ann", Handle: "ann@a.example", Host: "a.example", Text: "words \xff <&>\u2028", Language: "en",
			Published: day, Received: day.Add(time.Duration(n/3) * time.Second), SimHash: 1<<63 + uint64(n), Consent: "opt-out", Tags: []string{"storm"},
			Labels:   []storage.Label{{Name: "threat", Score: 1.0 / 3, Over: true, Model: "m", Reasons: []storage.Reason{{Text: "x", Weight: 0.1}}}},
			Evidence: storage.Evidence{Scheme: "cavage", KeyID: "k"},
			Raw:      fmt.Appendf(nil, `{"id":"%s#a","type":"Create","actor":"https://a.example/users/ann", "object":{"id":%q,"n":1.50}}`, uri, uri)}
		if n == 3 {
			p.Raw = []byte("{\n\"type\": \"Note\", \"id\": \"x\"\n}\n")
		}
		ops = append(ops, storage.Op{Kind: storage.OpPut, Post: p})
	}
	if _, err := first.Apply(t.Context(), storage.Batch{Ops: ops, Cursor: 1}); err != nil {
		t.Fatal(err)
	}
	out, want := export(t, first)
	var posts []storage.Post
	if _, err := archive.Read(t.Context(), out, func(p *storage.Post) error {
		posts = append(posts, *p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := second.PutPosts(t.Context(), posts); err != nil || n != 20 {
		t.Fatalf("%d posts imported: %v", n, err)
	}
	_, got := export(t, second)
	if len(want) != 8 {
		t.Errorf("%d files under data/", len(want))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("second export (-first +second):\n%s", d)
	}
}
