package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

// maxNeedles bounds the texts that a receipt's scan looks for.
const maxNeedles = 64

// countTarget returns how many posts a target has, and texts of them that the
// scan afterwards looks for.
func countTarget(ctx context.Context, store *sqlite.Store, t target) (int64, [][]byte, error) {
	var n int64
	var needles [][]byte
	add := func(post *storage.Post) error {
		if t.host != "" && post.Host != t.host && !strings.HasSuffix(post.Handle, "@"+t.host) {
			return nil
		}
		n++
		if len(needles) < maxNeedles {
			needles = append(needles, []byte(post.URI))
			// Only the beginning: a long text does not lie in one piece.
			if text := strings.TrimSpace(post.Text); len(text) >= 24 {
				needles = append(needles, []byte(text[:min(64, len(text))]))
			}
		}
		return nil
	}
	if t.find == "" {
		post, err := store.GetPostByURI(ctx, t.uri)
		if errors.Is(err, storage.ErrNotFound) {
			return 0, [][]byte{[]byte(t.uri)}, nil
		}
		if err != nil {
			return 0, nil, err
		}
		if err := add(&post); err != nil {
			return 0, nil, err
		}
		return n, needles, nil
	}
	err := store.Each(ctx, query.Parse(t.find, query.Options{}), add)
	return n, needles, err
}

// receipt is what `hark forget` prints.
type receipt struct {
	Target  string   `json:"target"`
	Posts   int64    `json:"posts"`
	Actors  int64    `json:"actors"`
	Entries int64    `json:"journal_entries"`
	Scanned int64    `json:"bytes_scanned"`
	Texts   int      `json:"texts_looked_for"`
	Found   int      `json:"texts_found"`
	Files   []string `json:"files_scanned"`
	Time    string   `json:"time"`
}

// forget erases a target, scans the files for its texts, and prints the
// receipt.
func (p *program) forget(ctx context.Context, c *Config, store *sqlite.Store, t target, needles [][]byte, asJSON bool) error {
	r := receipt{Target: t.words, Texts: len(needles), Files: []string{}, Time: p.now().UTC().Format(timeForm)}
	var failed error
	note := func(f storage.Forgotten, err error) {
		r.Posts, r.Actors, r.Entries = r.Posts+f.Posts, r.Actors+f.Actors, r.Entries+f.Entries
		failed = errors.Join(failed, err)
	}
	for _, a := range t.actors {
		note(store.Forget(ctx, a, "", ""))
	}
	if t.host != "" {
		note(store.Forget(ctx, "", t.host, ""))
	}
	if t.uri != "" {
		note(store.Forget(ctx, "", "", t.uri))
	}
	if failed != nil {
		return failed
	}
	// The entry names no one: the log is kept for good, and whoever asked to
	// be forgotten must not stand in it.
	if err := audit(ctx, store, "forget", t.kind(), r.Posts); err != nil {
		return err
	}
	if err := r.scan(c.Dir(), needles); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(p.stdout, r)
	}
	return p.printf(`Receipt
  erased    %s
  at        %s
  posts     %d
  actors    %d cached documents
  journal   %d bodies
  scan      %s
`, r.Target, r.Time, r.Posts, r.Actors, r.Entries, r.verdict())
}

// kind names what sort of thing a target is.
func (t target) kind() string {
	switch {
	case t.host != "":
		return "a domain"
	case t.uri != "":
		return "an address"
	}
	return "an author"
}

// verdict says what the scan found.
func (r *receipt) verdict() string {
	files := fmt.Sprintf("%d texts and addresses looked for in %d files (%s)", r.Texts, len(r.Files), bytesText(r.Scanned))
	if r.Found == 0 {
		return files + ": none found"
	}
	return files + fmt.Sprintf(": %d found; others' posts that cite, answer or repeat them, and the log of searches, are kept", r.Found)
}

// scan looks through every file of the store for the needles.
func (r *receipt) scan(dir string, needles [][]byte) error {
	found := make([]bool, len(needles))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a log that was just folded into its database
		}
		if err != nil || !d.Type().IsRegular() || d.Name() == actorKeyFile || d.Name() == lockFile {
			return err
		}
		n, err := scanFile(path, needles, found)
		r.Scanned += n
		r.Files = append(r.Files, d.Name())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("scan the files: %w", err)
	}
	for _, f := range found {
		if f {
			r.Found++
		}
	}
	return nil
}

// scanFile marks the needles that a file holds and returns its size. It reads
// in pieces that overlap by the longest needle.
func scanFile(path string, needles [][]byte, found []bool) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	longest := 1
	for _, n := range needles {
		longest = max(longest, len(n))
	}
	buf := make([]byte, longest+1<<20)
	var size int64
	kept := 0
	for {
		n, err := io.ReadFull(f, buf[kept:])
		size += int64(n)
		piece := buf[:kept+n]
		for i, needle := range needles {
			if !found[i] && bytes.Contains(piece, needle) {
				found[i] = true
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return size, f.Close()
		}
		if err != nil {
			return size, errors.Join(err, f.Close())
		}
		kept = copy(buf, piece[len(piece)-longest:])
	}
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
