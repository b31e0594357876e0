package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"hark/storage"
	"hark/storage/query"
)

// unknownFor is how long the Delete of a post that was never seen is
// remembered: its Create may be under way still.
const unknownFor = 30 * 24 * time.Hour

// ListenCursor returns the sequence of the last journal entry that Apply has
// covered; 0 before the first.
func (s *Store) ListenCursor(ctx context.Context) (int64, error) {
	var c int64
	if err := s.archive.reads.QueryRowContext(ctx, "SELECT listen_cursor FROM state").Scan(&c); err != nil {
		return 0, fmt.Errorf("listen cursor: %w", known(err))
	}
	return c, nil
}

// Apply makes the changes of a batch in their order, adds its counts and
// moves the listener's cursor, all in one transaction. A batch whose cursor
// is not over the kept one has been applied before, or comes from a reader
// that fell behind another: it has no effect, and all its results are zero.
//
// A post is added once by its URI, and not at all if its author has deleted
// it. A Post.ID that is zero, in use, or of the future is replaced by a
// new one, higher than any given before; the result tells it. An update replaces all of a post but its
// id and arrival, a delete erases it: both only for the post's author, and an
// update not by an older edit.
func (s *Store) Apply(ctx context.Context, b storage.Batch) ([]storage.OpResult, error) {
	var results []storage.OpResult
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		results = make([]storage.OpResult, len(b.Ops))
		n, err := t.exec(ctx, "UPDATE state SET listen_cursor = ?1 WHERE listen_cursor < ?1", b.Cursor)
		if err != nil || n == 0 {
			return err
		}
		a := s.applier(t)
		for i, op := range b.Ops {
			if results[i], err = a.apply(ctx, op); err != nil {
				return fmt.Errorf("%s: %w", op.Kind, err)
			}
		}
		for _, c := range b.Counts {
			_, err := t.exec(ctx, `INSERT INTO day_count (day, reason, count) VALUES (?, ?, ?)
				ON CONFLICT (day, reason) DO UPDATE SET count = count + excluded.count`, c.Day, c.Reason, c.Count)
			if err != nil {
				return err
			}
		}
		return a.finish(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("apply batch: %w", err)
	}
	return results, nil
}

// PutPosts adds posts (of an import) and returns how many were new. As with
// Apply, a URI that is known or that its author deleted is passed over. A
// post keeps its id if that is free, and otherwise gets one by its arrival.
func (s *Store) PutPosts(ctx context.Context, posts []storage.Post) (int64, error) {
	var added int64
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		added = 0
		a := s.applier(t)
		for i := range posts {
			r, err := a.put(ctx, &posts[i], a.idByArrival)
			if err != nil {
				return err
			}
			if r.Applied {
				added++
			}
		}
		return a.finish(ctx)
	})
	if err != nil {
		return 0, fmt.Errorf("put posts: %w", err)
	}
	return added, nil
}

// applier makes changes within one transaction. Rows of the full-text index
// are held back until finish, because FTS5 wants them in rising order.
type applier struct {
	s     *Store
	t     *tx
	now   time.Time
	index map[int64][2]string // id → text, meta to be inserted
}

func (s *Store) applier(t *tx) *applier {
	return &applier{s: s, t: t, now: s.now(), index: make(map[int64][2]string)}
}

// finish writes the rows held back.
func (a *applier) finish(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(a.index)) {
		row := a.index[id]
		if _, err := a.t.exec(ctx, "INSERT INTO post_fts (rowid, text, meta) VALUES (?, ?, ?)", id, row[0], row[1]); err != nil {
			return err
		}
	}
	return nil
}

var errOp = errors.New("incomplete operation")

func (a *applier) apply(ctx context.Context, op storage.Op) (storage.OpResult, error) {
	switch op.Kind {
	case storage.OpPut:
		if op.Post == nil {
			return storage.OpResult{}, errOp
		}
		return a.put(ctx, op.Post, a.idRising)
	case storage.OpUpdate:
		if op.Post == nil {
			return storage.OpResult{}, errOp
		}
		return a.update(ctx, op.Post)
	case storage.OpDelete:
		return a.delete(ctx, op.URI, op.Actor)
	case storage.OpDeleteActor:
		return a.deleteActor(ctx, op.Actor)
	case storage.OpPutActor:
		if op.Record == nil {
			return storage.OpResult{}, errOp
		}
		return storage.OpResult{Applied: true}, a.s.putActor(ctx, a.t, op.Record)
	}
	return storage.OpResult{}, fmt.Errorf("unknown operation %q", op.Kind)
}

func (a *applier) put(ctx context.Context, p *storage.Post, newID func(context.Context, *storage.Post) (int64, error)) (storage.OpResult, error) {
	if p.URI == "" { // nothing could ever change or delete it
		return storage.OpResult{}, nil
	}
	var n int
	err := a.t.one(ctx, []any{&n}, "SELECT (SELECT count(*) FROM post WHERE uri = ?) + (SELECT count(*) FROM tombstone WHERE key IN (?, ?))",
		p.URI, tombKey(p.URI, p.Actor), tombKey(p.URI, byOperator))
	if err != nil || n > 0 {
		return storage.OpResult{}, err
	}
	id, err := a.ownID(ctx, p)
	if err == nil && id == 0 {
		id, err = newID(ctx, p)
	}
	if err != nil {
		return storage.OpResult{}, err
	}
	args, err := a.s.postArgs(id, p)
	if err != nil {
		return storage.OpResult{}, err
	}
	if _, err := a.t.exec(ctx, insertPost, args...); err != nil {
		return storage.OpResult{}, err
	}
	return storage.OpResult{Applied: true, IDs: []int64{id}}, a.attach(ctx, id, p)
}

// ownID is the id that the post brings along, if it is free and does not lie
// in the future, else 0: one archive with a huge id must not use up the rest.
func (a *applier) ownID(ctx context.Context, p *storage.Post) (int64, error) {
	if p.ID <= 0 || p.ID >= idOf(a.now.Add(clockSkew)) {
		return 0, nil
	}
	var n int
	if err := a.t.one(ctx, []any{&n}, "SELECT count(*) FROM post WHERE id = ?", p.ID); err != nil || n > 0 {
		return 0, err
	}
	return p.ID, nil
}

// clockSkew is how far an arrival may lie ahead of our clock.
const clockSkew = 5 * time.Minute

// firstID is the lowest id for a post's arrival, which is not believed to lie
// in the future.
func (a *applier) firstID(p *storage.Post) int64 {
	return max(1, min(idOf(p.Received), idOf(a.now)))
}

// idRising is an id over all that Apply gave before.
func (a *applier) idRising(ctx context.Context, p *storage.Post) (int64, error) {
	var last int64
	if err := a.t.one(ctx, []any{&last}, "SELECT last_id FROM state"); err != nil {
		return 0, err
	}
	id, err := a.freeID(ctx, max(last+1, a.firstID(p)))
	if err != nil {
		return 0, err
	}
	_, err = a.t.exec(ctx, "UPDATE state SET last_id = ?", id)
	return id, err
}

// idByArrival is the first free id at or after the post's arrival.
func (a *applier) idByArrival(ctx context.Context, p *storage.Post) (int64, error) {
	return a.freeID(ctx, a.firstID(p))
}

// freeID is an id that no post has, the given one or close after it.
func (a *applier) freeID(ctx context.Context, id int64) (int64, error) {
	for {
		var last sql.NullInt64
		err := a.t.one(ctx, []any{&last}, "SELECT max(id) FROM post WHERE id >= ? AND id < ?", id, id+1<<16)
		if err != nil {
			return 0, err
		}
		if !last.Valid {
			return id, nil
		}
		id = last.Int64 + 1
	}
}

// attach writes what hangs on a post: its labels, and later its index row.
func (a *applier) attach(ctx context.Context, id int64, p *storage.Post) error {
	for _, l := range p.Labels {
		// One row per name: of several judges the highest score, over if any says so.
		_, err := a.t.exec(ctx, `INSERT INTO post_label (post_id, name, score, over) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET score = max(score, excluded.score), over = max(over, excluded.over)`, id, l.Name, finite(l.Score), l.Over)
		if err != nil {
			return err
		}
	}
	text, meta := query.Index(p)
	a.index[id] = [2]string{text, meta}
	return nil
}

// detach undoes attach.
func (a *applier) detach(ctx context.Context, id int64) error {
	if _, held := a.index[id]; held {
		delete(a.index, id)
	} else if _, err := a.t.exec(ctx, "DELETE FROM post_fts WHERE rowid = ?", id); err != nil {
		return err
	}
	_, err := a.t.exec(ctx, "DELETE FROM post_label WHERE post_id = ?", id)
	return err
}

func (a *applier) update(ctx context.Context, p *storage.Post) (storage.OpResult, error) {
	var id, received, edited int64
	var author string
	err := a.t.one(ctx, []any{&id, &received, &edited, &author}, "SELECT id, received, edited, actor FROM post WHERE uri = ?", p.URI)
	if errors.Is(err, sql.ErrNoRows) {
		return storage.OpResult{}, nil
	}
	if err != nil {
		return storage.OpResult{}, err
	}
	if author != p.Actor || !p.Edited.IsZero() && ms(p.Edited) < edited {
		return storage.OpResult{}, nil
	}
	replaced := *p
	replaced.ID, replaced.Received = id, at(received)
	args, err := a.s.postArgs(id, &replaced)
	if err != nil {
		return storage.OpResult{}, err
	}
	if err := a.detach(ctx, id); err != nil {
		return storage.OpResult{}, err
	}
	if _, err := a.t.exec(ctx, updatePost, append(args, id)...); err != nil {
		return storage.OpResult{}, err
	}
	return storage.OpResult{Applied: true, IDs: []int64{id}}, a.attach(ctx, id, &replaced)
}

func (a *applier) delete(ctx context.Context, uri, actor string) (storage.OpResult, error) {
	var id int64
	var author string
	err := a.t.one(ctx, []any{&id, &author}, "SELECT id, actor FROM post WHERE uri = ?", uri)
	if errors.Is(err, sql.ErrNoRows) {
		// Whether the actor may is not known yet; the tombstone is bound to
		// it, so a stranger's Delete keeps nobody else's post out.
		return storage.OpResult{}, a.bury(ctx, uri, actor, a.now.Add(unknownFor))
	}
	if err != nil || author != actor {
		return storage.OpResult{}, err
	}
	return storage.OpResult{Applied: true, IDs: []int64{id}}, a.eraseAndBury(ctx, victim{id, uri, author})
}

func (a *applier) deleteActor(ctx context.Context, actor string) (r storage.OpResult, err error) {
	n, err := a.t.exec(ctx, "DELETE FROM actor WHERE id = ?", actor)
	if err != nil {
		return r, err
	}
	r.Applied = n > 0
	if _, err := a.t.exec(ctx, "DELETE FROM decision WHERE actor = ?", decidedOn(actor)); err != nil {
		return r, err
	}
	for {
		vs, err := a.victims(ctx, "SELECT id, uri, actor FROM post WHERE actor = ? ORDER BY id LIMIT ?", actor, eraseLimit)
		if err != nil || len(vs) == 0 {
			return r, err
		}
		for _, v := range vs {
			if err := a.eraseAndBury(ctx, v); err != nil {
				return r, err
			}
			r.Applied, r.IDs = true, append(r.IDs, v.id)
		}
	}
}

// eraseLimit is how many posts are erased at a time.
const eraseLimit = 500

// victim is a post to be erased.
type victim struct {
	id         int64
	uri, actor string
}

func (a *applier) victims(ctx context.Context, query string, args ...any) ([]victim, error) {
	rows, err := a.t.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(rows *sql.Rows) (v victim, err error) {
		err = rows.Scan(&v.id, &v.uri, &v.actor)
		return v, err
	})
}

// erase removes a post and all that hangs on it.
func (a *applier) erase(ctx context.Context, v victim) error {
	if err := a.detach(ctx, v.id); err != nil {
		return err
	}
	_, err := a.t.exec(ctx, "DELETE FROM post WHERE id = ?", v.id)
	return err
}

// eraseAndBury erases a post and keeps it from coming back.
func (a *applier) eraseAndBury(ctx context.Context, v victim) error {
	if err := a.erase(ctx, v); err != nil {
		return err
	}
	return a.bury(ctx, v.uri, v.actor, time.Time{})
}

// byOperator stands in a tombstone for whoever the author is.
const byOperator = ""

func tombKey(uri, actor string) []byte { return digest16('t', uri, actor) }

// bury remembers that an author deleted a URI, until a time or for ever.
func (a *applier) bury(ctx context.Context, uri, actor string, until time.Time) error {
	_, err := a.t.exec(ctx, `INSERT INTO tombstone (key, at, until) VALUES (?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET until = CASE WHEN until = 0 OR excluded.until = 0 THEN 0 ELSE max(until, excluded.until) END`,
		tombKey(uri, actor), ms(a.now), ms(until))
	return err
}
