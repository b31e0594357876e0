package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hark/storage"
)

func TestOpenMissing(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), Options{Dir: dir})
	if !errors.Is(err, storage.ErrMissing) {
		t.Fatalf("error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("a failed open left %v", left)
	}
	if err := os.WriteFile(filepath.Join(dir, journalFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, storage.ErrMissing) {
		t.Errorf("an empty file: error %v", err)
	}
	s := open(t, filepath.Join(dir, "a dir with % ? and #"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(dir, "a dir with % ? and #", archiveFile)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("archive: %v, %v", fi, err)
	}
}

// raw opens a database file without the store.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(path, true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func run(t *testing.T, db *sql.DB, statements string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

func TestOpenForeign(t *testing.T) {
	for name, tt := range map[string]struct {
		statements string
		want       error
	}{
		"newer":      {"PRAGMA user_version = 999", storage.ErrNewer},
		"not Hark's": {"CREATE TABLE bookmark (url TEXT)", nil},
	} {
		dir := t.TempDir()
		s := open(t, dir)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, journalFile)
		if tt.want == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		run(t, raw(t, path), tt.statements)
		_, err := Open(t.Context(), Options{Dir: dir, Create: true})
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestPragmasReachEveryConnection(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { _ = s.Close() }()
	var conns []*sql.Conn
	for range readers {
		c, err := s.archive.reads.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for _, c := range conns {
		for _, p := range readPragmas {
			var got string
			if err := c.QueryRowContext(t.Context(), "PRAGMA "+p.name).Scan(&got); err != nil || !strings.EqualFold(got, p.want) {
				t.Errorf("%s = %q, %v", p.name, got, err)
			}
		}
		if _, err := c.ExecContext(t.Context(), "DELETE FROM post"); err == nil {
			t.Error("a reading connection can write")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	err := checkPragmas(t.Context(), s.archive.reads, []pragma{{"synchronous", "", "0"}})
	if err == nil {
		t.Error("a pragma that did not take was not noticed")
	}
}

func TestMigrate(t *testing.T) {
	db := raw(t, filepath.Join(t.TempDir(), "x.db"))
	one := schema{name: "test", appID: 7, steps: []string{"CREATE TABLE a (x); INSERT INTO a VALUES (1)"}}
	if err := migrate(t.Context(), db, one, true); err != nil {
		t.Fatal(err)
	}
	broken := one
	broken.steps = append(one.steps, "CREATE TABLE b (y); INSERT INTO nowhere VALUES (1)")
	if err := migrate(t.Context(), db, broken, false); err == nil {
		t.Fatal("a broken step went through")
	}
	good := one
	good.steps = append(one.steps, "CREATE TABLE b (y); INSERT INTO b SELECT x + 1 FROM a", "ALTER TABLE b ADD COLUMN z")
	for range 2 {
		if err := migrate(t.Context(), db, good, false); err != nil {
			t.Fatal(err)
		}
	}
	var y, version int
	if err := db.QueryRowContext(t.Context(), "SELECT (SELECT y FROM b WHERE z IS NULL), user_version FROM pragma_user_version").Scan(&y, &version); err != nil || y != 2 || version != 3 {
		t.Errorf("y %d, version %d, %v", y, version, err)
	}
}

// TestFrozen opens databases as the first version made them. The text of
// testdata never changes; what changes is only how new the schema is that
// Open leads them to.
func TestFrozen(t *testing.T) {
	dir := t.TempDir()
	for name, file := range map[string]string{"journal-1.sql": journalFile, "archive-1.sql": archiveFile} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		db := raw(t, filepath.Join(dir, file))
		run(t, db, string(text))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	s, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, d := range []struct {
		db *database
		sc schema
	}{{s.journal, journalSchema}, {s.archive, archiveSchema}} {
		var version int
		if err := d.db.reads.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version != len(d.sc.steps) {
			t.Errorf("%s: version %d, %v", d.sc.name, version, err)
		}
	}
	es, err := s.Read(ctx, 0, 10)
	if err != nil || len(es) != 1 || es[0].Seq != 7 || string(es[0].Body) != `{"id":"a7"}` || es[0].Evidence.KeyID != "k" {
		t.Errorf("entries %+v, %v", es, err)
	}
	sub, err := s.GetSubscriber(ctx, "https://b.example/actor")
	if err != nil || sub.State != storage.StateActive || sub.Cursor != 6 || sub.Health.Delivered != 3 {
		t.Errorf("subscriber %+v, %v", sub, err)
	}
	p, err := s.GetPostByURI(ctx, "https://a.example/notes/1")
	if err != nil || p.ID != 1000 || p.Text != "frozen words" || len(p.Labels) != 1 || string(p.Raw) != `{"id":"a1"}` {
		t.Errorf("post %+v, %v", p, err)
	}
	if n, err := s.VerifyAudit(ctx); err != nil || n != 1 {
		t.Errorf("audit: %d, %v", n, err)
	}
	if c, err := s.ListenCursor(ctx); err != nil || c != 5 {
		t.Errorf("cursor %d, %v", c, err)
	}
	if k, err := s.ConsumeToken(ctx, []byte("hash"), time.Now()); err != nil || k.ID != "t1" {
		t.Errorf("token %+v, %v", k, err)
	}
	if ok, err := s.Append(ctx, &storage.Entry{ActivityID: "a8", Body: []byte("{}")}); err != nil || !ok {
		t.Errorf("append: %v, %v", ok, err)
	}
}

// TestOtherProcess has two stores on the same files, as the node and the
// command line are.
func TestOtherProcess(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	node, cli := open(t, dir), open(t, dir)
	defer func() { _ = errors.Join(node.Close(), cli.Close()) }()
	version := func() int64 {
		t.Helper()
		v, err := node.DataVersion(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := version()
	if err := node.PutMeta(ctx, "own", "write"); err != nil {
		t.Fatal(err)
	}
	if version() != before {
		t.Error("a write of its own changed the data version")
	}
	if err := cli.AddRule(ctx, storage.PolicyRule{Host: "b.example", Action: "block"}); err != nil {
		t.Fatal(err)
	}
	if version() == before {
		t.Error("a write of the other did not change the data version")
	}
	var wg sync.WaitGroup
	for i, s := range []*Store{node, cli} {
		wg.Go(func() {
			if err := appendMany(ctx, s, i, 50); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	es, err := cli.Read(ctx, 0, 1000)
	if err != nil || len(es) != 100 || es[99].Seq != 100 {
		t.Errorf("%d entries, %v", len(es), err)
	}
}
