// Package sqlite keeps Hark's records in two SQLite databases of one
// directory: journal.db holds what has been accepted, for whom it waits and
// the operator's decisions; archive.db holds the posts with their index, the
// tokens and the audit log. They are apart so that storing and searching
// posts never holds up the inbox.
//
// Each database has one writing connection and several reading ones, in WAL
// mode with synchronous=FULL: what a method has written is durable when it
// returns. Writes that wait at the same time share a transaction. Another
// process (the command line) may use the same files at the same time.
//
// Erased means gone from the bytes: secure_delete is on for the tables and
// for the full-text index, and Checkpoint empties the WAL.
package sqlite

import (
	"context"
	_ "embed" // the schemas
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

//go:embed schema/journal-1.sql
var journalSchema1 string

//go:embed schema/journal-2.sql
var journalSchema2 string

//go:embed schema/journal-3.sql
var journalSchema3 string

//go:embed schema/archive-1.sql
var archiveSchema1 string

//go:embed schema/archive-2.sql
var archiveSchema2 string

//go:embed schema/archive-3.sql
var archiveSchema3 string

// The files, and what leads each to its newest version.
const (
	journalFile = "journal.db"
	archiveFile = "archive.db"
)

var (
	journalSchema = schema{name: "journal", appID: 0x4861724a, steps: []string{journalSchema1, journalSchema2, journalSchema3}}
	archiveSchema = schema{name: "archive", appID: 0x48617241, steps: []string{archiveSchema1, archiveSchema2, archiveSchema3}}
)

// Options say which store to open.
type Options struct {
	Dir    string           // holds journal.db and archive.db
	Create bool             // make the directory and the databases if they are missing
	Now    func() time.Time // clock of arrivals and entries; time.Now if nil
}

// Store is an open store. Its methods may be called from many goroutines;
// they return storage.ErrClosed after Close. A method whose context ends
// while its write is waiting has not written; one that has begun is completed.
type Store struct {
	journal *database
	archive *database
	pack    *packer
	now     func() time.Time
}

// Open opens the store in o.Dir and brings its schema up to date. It returns
// storage.ErrMissing if a database is missing and o.Create is not set, and
// storage.ErrNewer if one was written by a newer version of Hark.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	if o.Create {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("create store: %w", err)
		}
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if s.pack, err = newPacker(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if s.journal, err = openDatabase(ctx, filepath.Join(dir, journalFile), journalSchema, o.Create); err != nil {
		return nil, errors.Join(err, s.pack.close())
	}
	if s.archive, err = openDatabase(ctx, filepath.Join(dir, archiveFile), archiveSchema, o.Create); err != nil {
		return nil, errors.Join(err, s.journal.close(), s.pack.close())
	}
	return s, nil
}

// Close waits for the writes under way and closes both databases. A second
// Close has no effect. Reads under way are waited for as well.
func (s *Store) Close() error {
	if err := errors.Join(s.journal.close(), s.archive.close(), s.pack.close()); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Checkpoint empties the write-ahead logs of both databases into them, so
// that no byte of what was erased is left in a file. It waits for readers of
// older snapshots, up to half a minute.
func (s *Store) Checkpoint(ctx context.Context) error {
	return errors.Join(s.journal.checkpoint(ctx), s.archive.checkpoint(ctx))
}

// GetMeta returns the value kept under a key (the fingerprint of the actor
// key, say), or storage.ErrNotFound.
func (s *Store) GetMeta(ctx context.Context, key string) (string, error) {
	var v string
	err := s.journal.reads.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = ?", key).Scan(&v)
	if err != nil {
		return "", fmt.Errorf("get meta %q: %w", key, known(err))
	}
	return v, nil
}

// PutMeta keeps a value under a key.
func (s *Store) PutMeta(ctx context.Context, key, value string) error {
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO meta (key, value) VALUES (?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("put meta %q: %w", key, err)
	}
	return nil
}

// DataVersion returns a number that changes when another process has written
// to the journal database (subscribers, controls, rules); the store's own
// writes leave it alone.
func (s *Store) DataVersion(ctx context.Context) (int64, error) {
	// The pragma counts the commits of all connections but the asking one:
	// only the writing connection therefore tells foreign from own.
	var v int64
	err := s.journal.w.alone(ctx, func(ctx context.Context, t *tx) error {
		return t.one(ctx, []any{&v}, "PRAGMA data_version")
	})
	if err != nil {
		return 0, fmt.Errorf("data version: %w", err)
	}
	return v, nil
}
