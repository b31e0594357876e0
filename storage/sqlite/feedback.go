package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"hark/storage"
)

// PutFeedback keeps what a token said of a label of a post; said again, the last
// word counts. It returns storage.ErrNotFound for a post that is not there.
func (s *Store) PutFeedback(ctx context.Context, f storage.Feedback) error {
	if f.At.IsZero() {
		f.At = s.now()
	}
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		var there int
		if err := t.one(ctx, []any{&there}, "SELECT count(*) FROM post WHERE id = ?", f.Post); err != nil {
			return err
		}
		if there == 0 {
			return storage.ErrNotFound
		}
		_, err := t.exec(ctx, `INSERT INTO feedback (post, label, token, holds, score, model, at) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET holds = excluded.holds, score = excluded.score, model = excluded.model, at = excluded.at`,
			f.Post, f.Label, f.Token, f.Holds, f.Score, f.Model, ms(f.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("put feedback: %w", err)
	}
	return nil
}

// ListFeedback returns what was said, by post, label and token, from after the one
// given on, whose Post, Label and Token count: at most limit (100 if 0, never more
// than 1,000).
func (s *Store) ListFeedback(ctx context.Context, after storage.Feedback, limit int) ([]storage.Feedback, error) {
	rows, err := s.archive.reads.QueryContext(ctx, `SELECT post, label, token, holds, score, model, at FROM feedback
		WHERE (post, label, token) > (?, ?, ?) ORDER BY post, label, token LIMIT ?`, after.Post, after.Label, after.Token, bounded(limit, 100, 1000))
	if err != nil {
		return nil, fmt.Errorf("list feedback: %w", known(err))
	}
	list, err := collect(rows, func(rows *sql.Rows) (f storage.Feedback, err error) {
		var when int64
		err = rows.Scan(&f.Post, &f.Label, &f.Token, &f.Holds, &f.Score, &f.Model, &when)
		f.At = at(when)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("list feedback: %w", known(err))
	}
	return list, nil
}
