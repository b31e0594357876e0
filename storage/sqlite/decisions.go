package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"hark/storage"
)

// maxDecisions is how many decisions are kept; older ones go.
const maxDecisions = 50_000

// decided begins what is hashed for the id of a decision.
const decided byte = 'd'

// AddDecisions keeps decisions, in one transaction, and lets go of the oldest
// beyond 50,000. Of ids only digests are written.
func (s *Store) AddDecisions(ctx context.Context, decisions []storage.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		for _, d := range decisions {
			_, err := t.exec(ctx, `INSERT INTO decision (at, ref, activity, object, actor, type, via, stage, reason, status, detail)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, ms(d.At), d.Ref, decidedOn(d.ActivityID), decidedOn(d.ObjectID), decidedOn(d.Actor),
				d.Type, d.Via, string(d.Stage), d.Reason, d.Status, d.Detail)
			if err != nil {
				return err
			}
		}
		_, err := t.exec(ctx, "DELETE FROM decision WHERE id <= (SELECT max(id) FROM decision) - ?", maxDecisions)
		return err
	})
	if err != nil {
		return fmt.Errorf("add decisions: %w", err)
	}
	return nil
}

// decidedOn is the digest of an id, or nothing for none.
func decidedOn(id string) []byte {
	if id == "" {
		return []byte{}
	}
	return digest16(decided, id)
}

// ListDecisions returns the decisions about an activity, an object or an actor
// of that id, or of that reference, newest first: at most limit (100 if 0,
// never more than 1,000). Their ids are empty: the store does not know them.
func (s *Store) ListDecisions(ctx context.Context, id string, limit int) ([]storage.Decision, error) {
	if id == "" {
		return nil, nil
	}
	d := decidedOn(id)
	rows, err := s.archive.reads.QueryContext(ctx, `SELECT at, ref, type, via, stage, reason, status, detail FROM decision
		WHERE id IN (SELECT id FROM decision WHERE ref = ?1 AND ref <> '' UNION SELECT id FROM decision WHERE activity = ?2
			UNION SELECT id FROM decision WHERE object = ?2 UNION SELECT id FROM decision WHERE actor = ?2)
		ORDER BY id DESC LIMIT ?3`, id, d, bounded(limit, 100, 1000))
	if err != nil {
		return nil, fmt.Errorf("list decisions: %w", known(err))
	}
	list, err := collect(rows, func(rows *sql.Rows) (d storage.Decision, err error) {
		var when int64
		err = rows.Scan(&when, &d.Ref, &d.Type, &d.Via, &d.Stage, &d.Reason, &d.Status, &d.Detail)
		d.At = at(when)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("list decisions: %w", known(err))
	}
	return list, nil
}

// ExpireDecisions lets go of decisions before a time.
func (s *Store) ExpireDecisions(ctx context.Context, before time.Time) error {
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM decision WHERE at < ?", before.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("expire decisions: %w", err)
	}
	return nil
}
