package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"hark/storage"
)

const (
	// seenFor is how long an activity or object is recognised as a
	// duplicate: well beyond the week or so for which servers retry.
	seenFor = 45 * 24 * time.Hour
	// trimLimit is how many rows one call of Trim deletes of each kind.
	trimLimit = 2000
	// readBytes is how many bytes of bodies one call of Read gathers before
	// it stops short of its limit.
	readBytes = 16 << 20
)

// The kinds of what is seen.
const (
	seenActivity byte = 'a'
	seenObject   byte = 'o'
)

// errNoActivity is returned when something without an activity id is appended.
var errNoActivity = errors.New("no activity id")

// Append puts an entry at the end of the journal and returns when it is
// durable. It sets e.Seq and e.Received. It reports false, and appends
// nothing, if the activity has been seen before, or the object where
// e.ObjectKey is not empty.
func (s *Store) Append(ctx context.Context, e *storage.Entry) (bool, error) {
	var done stamp
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) (err error) {
		done = stamp{}
		if e.ActivityID == "" {
			return errNoActivity
		}
		now := s.now()
		if fresh, err := t.see(ctx, seenActivity, e.ActivityID, now); err != nil || !fresh {
			return err
		}
		done, err = t.appendEntry(ctx, e, now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("append entry: %w", err)
	}
	return done.onto(e), nil
}

// stamp is what the journal gave an entry; the zero stamp: not appended.
type stamp struct{ seq, received int64 }

func (s stamp) onto(e *storage.Entry) bool {
	if s.seq == 0 {
		return false
	}
	e.Seq, e.Received = s.seq, at(s.received)
	return true
}

// see marks an id as seen; fresh is false if it was marked already.
func (t *tx) see(ctx context.Context, kind byte, id string, now time.Time) (fresh bool, err error) {
	n, err := t.exec(ctx, "INSERT INTO seen (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING", digest16(kind, id), ms(now))
	return n > 0, err
}

// appendEntry appends unless the object was seen. Sequence and arrival are
// given out here, under the write lock, so commits become visible in the
// order of their sequence and a reader that follows it misses none.
func (t *tx) appendEntry(ctx context.Context, e *storage.Entry, now time.Time) (stamp, error) {
	if e.ObjectKey != "" {
		if fresh, err := t.see(ctx, seenObject, e.ObjectKey, now); err != nil || !fresh {
			return stamp{}, err
		}
	}
	ev, err := evidence(e.Evidence)
	if err != nil {
		return stamp{}, err
	}
	var object any // NULL where none was fetched
	if e.Object != nil {
		object = e.Object
	}
	var st stamp
	err = t.one(ctx, []any{&st.seq, &st.received},
		"UPDATE journal_head SET seq = seq + 1, received = max(received, ?) RETURNING seq, received", ms(now))
	if err != nil {
		return stamp{}, err
	}
	_, err = t.exec(ctx, `INSERT INTO journal (seq, received, activity_id, type, actor, object_id, object_key,
			via, origin, proof, proof_until, relay, listen, evidence, body, object)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		st.seq, st.received, e.ActivityID, e.Type, e.Actor, e.ObjectID, e.ObjectKey,
		e.Via, e.Origin, string(e.Proof), ms(e.ProofUntil), e.Relay, e.Listen, ev, blob(e.Body), object)
	if err != nil {
		return stamp{}, err
	}
	return st, nil
}

// Seen reports whether an activity has been appended, or waits unresolved,
// or was so within the last weeks.
func (s *Store) Seen(ctx context.Context, activityID string) (bool, error) {
	var n int
	err := s.journal.reads.QueryRowContext(ctx, "SELECT count(*) FROM seen WHERE key = ?", digest16(seenActivity, activityID)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look up activity: %w", known(err))
	}
	return n > 0, nil
}

const entryColumns = `seq, received, activity_id, type, actor, object_id, object_key, via, origin,
	proof, proof_until, relay, listen, evidence, erased, body, object`

func scanEntry(rows *sql.Rows) (e storage.Entry, err error) {
	var received, until int64
	var ev string
	err = rows.Scan(&e.Seq, &received, &e.ActivityID, &e.Type, &e.Actor, &e.ObjectID, &e.ObjectKey, &e.Via, &e.Origin,
		&e.Proof, &until, &e.Relay, &e.Listen, &ev, &e.Erased, &e.Body, &e.Object)
	if err != nil {
		return e, err
	}
	e.Received, e.ProofUntil = at(received), at(until)
	e.Body, e.Object = nonEmpty(e.Body), nonEmpty(e.Object)
	e.Evidence, err = unevidence(ev)
	return e, err
}

// Read returns the entries after a sequence, in ascending order: at most
// limit (1,000 if 0, never more than 10,000), fewer where they are large, but
// at least one if there is one. Erased entries are among them, without a
// body, so that a cursor can pass over them.
func (s *Store) Read(ctx context.Context, after int64, limit int) ([]storage.Entry, error) {
	rows, err := s.journal.reads.QueryContext(ctx,
		"SELECT "+entryColumns+" FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", after, bounded(limit, 1000, 10000))
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", known(err))
	}
	size := 0
	entries, err := collect(rows, func(rows *sql.Rows) (storage.Entry, error) {
		e, err := scanEntry(rows)
		if size += len(e.Body) + len(e.Object); size >= readBytes && err == nil {
			err = errEnough
		}
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", known(err))
	}
	return entries, nil
}

// Bounds returns the sequences of the oldest and the newest entry. The head
// does not fall when entries are trimmed; in a journal trimmed to nothing the
// tail is head+1.
func (s *Store) Bounds(ctx context.Context) (tail, head int64, err error) {
	err = s.journal.reads.QueryRowContext(ctx,
		"SELECT coalesce((SELECT min(seq) FROM journal), seq + 1), seq FROM journal_head").Scan(&tail, &head)
	if err != nil {
		return 0, 0, fmt.Errorf("journal bounds: %w", known(err))
	}
	return tail, head, nil
}

// Trim deletes entries that arrived before a time and whose sequence is not
// over upTo: both must hold, so upTo = head trims by age alone. It deletes a
// bounded number and returns how many; a caller repeats it until that is 0.
// It also forgets duplicates that were last seen long ago.
func (s *Store) Trim(ctx context.Context, before time.Time, upTo int64) (int64, error) {
	var n int64
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) (err error) {
		// Arrival rises with the sequence: the old ones come first, and no
		// more rows than these need be looked at.
		n, err = t.exec(ctx, `DELETE FROM journal WHERE received < ?1 AND seq IN
			(SELECT seq FROM journal WHERE seq <= ?2 ORDER BY seq LIMIT ?3)`, before.UnixMilli(), upTo, trimLimit)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, "DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE at < ? ORDER BY at LIMIT ?)",
			ms(s.now().Add(-seenFor)), trimLimit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("trim journal: %w", err)
	}
	return n, nil
}

// FindEntries returns the entries about an activity, an object or an actor of
// that id, newest first: at most limit (20 if 0, never more than 1,000). For an
// activity's id it looks through the whole journal.
func (s *Store) FindEntries(ctx context.Context, id string, limit int) ([]storage.Entry, error) {
	if id == "" {
		return nil, nil
	}
	rows, err := s.journal.reads.QueryContext(ctx, "SELECT "+entryColumns+` FROM journal WHERE seq IN (
		SELECT seq FROM journal WHERE object_id = ?1 AND object_id <> '' UNION SELECT seq FROM journal WHERE actor = ?1
		UNION SELECT seq FROM journal WHERE activity_id = ?1) ORDER BY seq DESC LIMIT ?2`, id, bounded(limit, 20, 1000))
	if err != nil {
		return nil, fmt.Errorf("find entries: %w", known(err))
	}
	entries, err := collect(rows, scanEntry)
	if err != nil {
		return nil, fmt.Errorf("find entries: %w", known(err))
	}
	return entries, nil
}
