package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver, registered as "sqlite"

	"hark/storage"
)

const (
	busyTimeout = 10 * time.Second // how long a lock of another process is waited for
	readers     = 8                // reading connections of one database
	readersRest = 5 * time.Minute  // one that is not used for so long gives its memory back
)

// database is one file: a single writing connection, driven by a writer, and
// a pool of reading ones.
type database struct {
	path   string
	writes *sql.DB // never more than one connection
	reads  *sql.DB
	w      *writer
}

// schema is what a file must hold: steps[i] leads from version i to i+1.
type schema struct {
	name  string // of the file, for messages
	appID int64  // PRAGMA application_id, so that a foreign file is not taken over
	steps []string
}

// pragma is a setting of every connection and how it reads back.
type pragma struct{ name, value, want string }

// pragmas are set through the DSN, because what Exec sets reaches only one
// connection of a pool, and are read back, because SQLite ignores a misspelt
// one in silence. The order matters: switching to WAL may have to wait.
// ref: https://www.sqlite.org/pragma.html
var pragmas = []pragma{
	{"busy_timeout", fmt.Sprint(busyTimeout.Milliseconds()), fmt.Sprint(busyTimeout.Milliseconds())},
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "FULL", "2"},
	{"foreign_keys", "ON", "1"},
	{"secure_delete", "ON", "1"},
	{"temp_store", "MEMORY", "2"},
	{"cache_size", "-16384", "-16384"},
	{"journal_size_limit", "67108864", "67108864"},
}

// readOnly is added for the pool of readers.
var readOnly = pragma{"query_only", "ON", "1"}

// readPragmas are those of the readers: eight of them share what the writer
// has alone, because a page that one of them misses the system has in memory.
var readPragmas = func() []pragma {
	out := append([]pragma{}, pragmas...)
	for i := range out {
		if out[i].name == "cache_size" {
			out[i].value, out[i].want = "-2048", "-2048"
		}
	}
	return append(out, readOnly)
}()

// dsn names the file for the driver. mode=rw never creates it: a database
// that is missing must not be made by accident.
func dsn(path string, write bool) string {
	v := url.Values{"mode": {"rw"}, "_dqs": {"0"}}
	settings := readPragmas
	if write {
		settings = pragmas
		v.Set("_txlock", "immediate") // a deferred reader that turns writer fails at once, whatever the timeout
	}
	for _, p := range settings {
		v.Add("_pragma", p.name+"("+p.value+")")
	}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + v.Encode()
}

// openDatabase opens path, creates it if create is set, brings its schema up
// to date and starts its writer.
func openDatabase(ctx context.Context, path string, sc schema, create bool) (*database, error) {
	if err := ensureFile(path, create); err != nil {
		return nil, fmt.Errorf("open %s database: %w", sc.name, err)
	}
	d := &database{path: path}
	err := d.open(ctx, sc, create)
	if err != nil {
		d.closePools()
		return nil, fmt.Errorf("open %s database %s: %w", sc.name, path, err)
	}
	return d, nil
}

func (d *database) open(ctx context.Context, sc schema, create bool) error {
	var err error
	if d.writes, err = sql.Open("sqlite", dsn(d.path, true)); err != nil {
		return err
	}
	d.writes.SetMaxOpenConns(1)
	if d.reads, err = sql.Open("sqlite", dsn(d.path, false)); err != nil {
		return err
	}
	d.reads.SetMaxOpenConns(readers)
	d.reads.SetMaxIdleConns(readers)
	d.reads.SetConnMaxIdleTime(readersRest)
	if err := checkPragmas(ctx, d.writes, pragmas); err != nil {
		return err
	}
	if err := migrate(ctx, d.writes, sc, create); err != nil {
		return err
	}
	if err := checkPragmas(ctx, d.reads, readPragmas); err != nil {
		return err
	}
	d.w, err = newWriter(ctx, d.writes)
	return err
}

// ensureFile makes sure that a file is there, made readable for its owner only.
func ensureFile(path string, create bool) error {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, storage.ErrMissing)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// checkPragmas reads the settings back from a connection of db.
func checkPragmas(ctx context.Context, db *sql.DB, want []pragma) error {
	for _, p := range want {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("read pragma %s: %w", p.name, err)
		}
		if !strings.EqualFold(got, p.want) {
			return fmt.Errorf("pragma %s is %q, wanted %q", p.name, got, p.want)
		}
	}
	return nil
}

// migrate leads the file to the newest version of its schema, each step in a
// transaction of its own together with the version it reaches.
func migrate(ctx context.Context, db *sql.DB, sc schema, create bool) error {
	for {
		done, err := migrateStep(ctx, db, sc, create)
		if done || err != nil {
			return err
		}
	}
}

func migrateStep(ctx context.Context, db *sql.DB, sc schema, create bool) (done bool, err error) {
	tx, err := db.BeginTx(ctx, nil) // immediate, so that two processes that open at once do not both migrate
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	var version, tables, app int64
	for q, v := range map[string]*int64{
		"PRAGMA user_version":                &version,
		"PRAGMA application_id":              &app,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := tx.QueryRowContext(ctx, q).Scan(v); err != nil {
			return false, err
		}
	}
	switch {
	case tables > 0 && app != sc.appID:
		return false, fmt.Errorf("not a %s database of Hark (application id %#x)", sc.name, app)
	case version > int64(len(sc.steps)):
		return false, fmt.Errorf("schema version %d, known up to %d: %w", version, len(sc.steps), storage.ErrNewer)
	case version == 0 && tables == 0 && !create:
		return false, fmt.Errorf("empty file: %w", storage.ErrMissing)
	case version == int64(len(sc.steps)):
		return true, nil
	}
	if _, err := tx.ExecContext(ctx, sc.steps[version]); err != nil {
		return false, fmt.Errorf("migrate from version %d: %w", version, err)
	}
	// Pragmas take no parameters; both values are numbers of our own.
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", sc.appID, version+1)); err != nil {
		return false, err
	}
	return false, tx.Commit()
}

// close ends the writer after what waits for it, then the connections.
func (d *database) close() error {
	err := d.w.close()
	return errors.Join(err, d.closePools())
}

func (d *database) closePools() error {
	var errs []error
	for _, p := range []*sql.DB{d.reads, d.writes} { // the writer last: its close checkpoints the WAL
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// checkpoint moves the WAL into the database and empties it, so that no byte
// of an erased row stays there. It waits for readers of older snapshots, for
// a second at a time so that other writes get their turn in between.
// ref: https://www.sqlite.org/pragma.html#pragma_wal_checkpoint
func (d *database) checkpoint(ctx context.Context) error {
	const attempts = 30
	for range attempts {
		var busy bool
		err := d.w.alone(ctx, func(ctx context.Context, t *tx) error {
			if _, err := t.conn.ExecContext(ctx, "PRAGMA busy_timeout = 1000"); err != nil {
				return err
			}
			var frames, moved int64
			err := t.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
			_, restore := t.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout.Milliseconds()))
			return errors.Join(err, restore)
		})
		if err != nil {
			return fmt.Errorf("checkpoint %s: %w", filepath.Base(d.path), err)
		}
		if !busy {
			return nil
		}
	}
	return fmt.Errorf("checkpoint %s: readers did not end", filepath.Base(d.path))
}

// size is what the file and its companions take on disk, in bytes.
func (d *database) size() int64 {
	var n int64
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if fi, err := os.Stat(d.path + suffix); err == nil {
			n += fi.Size()
		}
	}
	return n
}
