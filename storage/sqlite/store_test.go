package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"

	"hark/storage/storetest"
)

// stores opens the store of a test: the same directory for the same test.
type stores struct {
	mu   sync.Mutex // guards dirs
	dirs map[string]string
}

func (s *stores) dir(t *testing.T) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirs == nil {
		s.dirs = make(map[string]string)
	}
	if s.dirs[t.Name()] == "" {
		s.dirs[t.Name()] = t.TempDir()
	}
	return s.dirs[t.Name()]
}

func (s *stores) open(t *testing.T) *Store {
	t.Helper()
	return open(t, s.dir(t))
}

func (s *stores) files(t *testing.T) []string {
	all, err := filepath.Glob(filepath.Join(s.dir(t), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJournal(t *testing.T) {
	var s stores
	storetest.Journal(t, func(t *testing.T) storetest.JournalStore { return s.open(t) })
}

func TestSubscribers(t *testing.T) {
	var s stores
	storetest.Subscribers(t, func(t *testing.T) storetest.SubscriberStore { return s.open(t) })
}

func TestArchive(t *testing.T) {
	var s stores
	storetest.Archive(t, func(t *testing.T) storetest.ArchiveStore { return s.open(t) })
}

func TestErasure(t *testing.T) {
	var s stores
	storetest.Erasure(t, func(t *testing.T) storetest.ErasingStore { return s.open(t) }, s.files)
}

func TestAccess(t *testing.T) {
	var s stores
	storetest.Access(t, func(t *testing.T) storetest.AccessStore { return s.open(t) }, func(t *testing.T, manner string) {
		statement := map[string]string{
			"change": "UPDATE audit SET subject = 'other' WHERE seq = 2",
			"remove": "DELETE FROM audit WHERE seq = 2",
			"cut":    "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
		}[manner]
		db, err := sql.Open("sqlite", dsn(filepath.Join(s.dir(t), archiveFile), true))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	})
}
