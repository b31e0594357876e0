package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"hark/storage"
)

// Relabel gives the stored post of p.ID the labels and ModelVer of p, if it is
// still what p was read as: the same words, of the same edit. It tells whether
// that was so; a post that was deleted meanwhile is no error.
func (s *Store) Relabel(ctx context.Context, p *storage.Post) (bool, error) {
	done := false
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		done = false
		rows, err := t.query(ctx, "SELECT "+postColumns+" FROM post p WHERE p.id = ?", p.ID)
		if err != nil {
			return err
		}
		found, err := collect(rows, func(rows *sql.Rows) (storage.Post, error) { return s.scanPost(rows) })
		if err != nil || len(found) == 0 {
			return err
		}
		now := &found[0]
		if now.URI != p.URI || now.Text != p.Text || now.Warning != p.Warning || !slices.Equal(now.Poll, p.Poll) || ms(now.Edited) != ms(p.Edited) {
			return nil
		}
		now.Labels, now.ModelVer = p.Labels, p.ModelVer
		args, err := s.postArgs(now.ID, now)
		if err != nil {
			return err
		}
		a := s.applier(t)
		if err := a.detach(ctx, now.ID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, updatePost, append(args, now.ID)...); err != nil {
			return err
		}
		if err := errors.Join(a.attach(ctx, now.ID, now), a.finish(ctx)); err != nil {
			return err
		}
		done = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("relabel post %d: %w", p.ID, err)
	}
	return done, nil
}
