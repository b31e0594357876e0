package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"hark/storage"
)

// AppendUnresolved keeps an accepted Announce until its object is fetched and
// returns when it is durable. It sets u.ID and, where zero, u.Received. It
// reports false if the activity has been seen before.
func (s *Store) AppendUnresolved(ctx context.Context, u *storage.Unresolved) (bool, error) {
	var id int64
	received := u.Received
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		id = 0
		if u.ActivityID == "" {
			return errNoActivity
		}
		now := s.now()
		if received.IsZero() {
			received = now
		}
		if fresh, err := t.see(ctx, seenActivity, u.ActivityID, now); err != nil || !fresh {
			return err
		}
		ev, err := evidence(u.Evidence)
		if err != nil {
			return err
		}
		id, err = t.insert(ctx, `INSERT INTO unresolved
			(received, activity_id, actor, object_id, via, attempts, next_at, evidence, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			ms(received), u.ActivityID, u.Actor, u.ObjectID, u.Via, u.Attempts, ms(u.NextAt), ev, blob(u.Body))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("append unresolved: %w", err)
	}
	if id == 0 {
		return false, nil
	}
	u.ID, u.Received = id, at(ms(received))
	return true, nil
}

// Resolve turns an unresolved Announce into an entry, in one transaction. It
// reports false if only the waiting row was removed, because the object has
// been relayed before, and returns storage.ErrNotFound if no such row waits:
// then nothing is appended, so that resolving twice appends once.
func (s *Store) Resolve(ctx context.Context, unresolvedID int64, e *storage.Entry) (bool, error) {
	var done stamp
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) (err error) {
		done = stamp{}
		if e.ActivityID == "" {
			return errNoActivity
		}
		var own string
		err = t.one(ctx, []any{&own}, "DELETE FROM unresolved WHERE id = ? RETURNING activity_id", unresolvedID)
		if err != nil {
			return known(err)
		}
		now := s.now()
		fresh, err := t.see(ctx, seenActivity, e.ActivityID, now)
		if err != nil || !fresh && e.ActivityID != own { // its own mark was set on arrival
			return err
		}
		done, err = t.appendEntry(ctx, e, now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("resolve %d: %w", unresolvedID, err)
	}
	return done.onto(e), nil
}

// ListUnresolved returns what is to be fetched by the time due, the longest
// waiting first, at most limit (100 if 0, never more than 1,000).
func (s *Store) ListUnresolved(ctx context.Context, due time.Time, limit int) ([]storage.Unresolved, error) {
	rows, err := s.journal.reads.QueryContext(ctx, `SELECT id, received, activity_id, actor, object_id, via, attempts, next_at, evidence, body
		FROM unresolved WHERE next_at <= ? ORDER BY next_at, id LIMIT ?`, due.UnixMilli(), bounded(limit, 100, 1000))
	if err != nil {
		return nil, fmt.Errorf("list unresolved: %w", known(err))
	}
	us, err := collect(rows, func(rows *sql.Rows) (u storage.Unresolved, err error) {
		var received, next int64
		var ev string
		if err := rows.Scan(&u.ID, &received, &u.ActivityID, &u.Actor, &u.ObjectID, &u.Via, &u.Attempts, &next, &ev, &u.Body); err != nil {
			return u, err
		}
		u.Received, u.NextAt = at(received), at(next)
		u.Body = nonEmpty(u.Body)
		u.Evidence, err = unevidence(ev)
		return u, err
	})
	if err != nil {
		return nil, fmt.Errorf("list unresolved: %w", err)
	}
	return us, nil
}

// RetryUnresolved notes a failed attempt and when the next one is due. It
// has no effect if the row is gone.
func (s *Store) RetryUnresolved(ctx context.Context, id int64, attempts int, next time.Time) error {
	return s.change(ctx, "retry unresolved", "UPDATE unresolved SET attempts = ?, next_at = ? WHERE id = ?", attempts, ms(next), id)
}

// DropUnresolved gives an Announce up; no effect if the row is gone. Its
// activity stays seen.
func (s *Store) DropUnresolved(ctx context.Context, id int64) error {
	return s.change(ctx, "drop unresolved", "DELETE FROM unresolved WHERE id = ?", id)
}

// CountUnresolved returns how many Announces a host delivered that still
// wait; of all hosts if via is empty.
func (s *Store) CountUnresolved(ctx context.Context, via string) (int64, error) {
	query, args := "SELECT count(*) FROM unresolved", []any(nil)
	if via != "" {
		query, args = query+" WHERE via = ?", []any{via}
	}
	var n int64
	if err := s.journal.reads.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count unresolved: %w", known(err))
	}
	return n, nil
}

// change runs one statement on the journal database that is all there is to do.
func (s *Store) change(ctx context.Context, act, query string, args ...any) error {
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, query, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return nil
}
