package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"

	"hark/storage"
	"hark/storage/query"
)

// condition is the query as SQL over post p.
func condition(q *query.Query) (where string, args []any) {
	where, args = q.SQL()
	if where == "" {
		return "true", nil
	}
	return "(" + where + ")", args[:len(args):len(args)]
}

// matchMark is how a query asks the full-text index. A search of a stretch
// of ids says so there as well: else SQLite would gather all rows of a common
// word first, to look at twenty of them.
const matchMark = "post_fts MATCH ?"

// walker steps through the hits of a query, stretch by stretch of ids. Each
// read is a query of its own, so that no snapshot is held in between.
type walker struct {
	s         *Store
	where     string
	args      []any
	below     int64 // only ids below; moves towards above in descending order
	above     int64 // only ids above; moves towards below in ascending order
	ascending bool
	stretch   int64 // ids looked at in the next step
	ended     bool  // there is nothing more
}

// firstStretch is a minute's worth of ids: some hundred posts on a busy node,
// one on a quiet one. It grows while hits are rare: SQLite gathers all rows
// of a word within the stretch before it looks at the first.
const firstStretch = int64(time.Minute/time.Millisecond) << 16

func (s *Store) walk(q *query.Query, p storage.Page) *walker {
	w := &walker{s: s, below: math.MaxInt64, above: p.MinID, stretch: firstStretch}
	if p.MaxID > 0 {
		w.below = p.MaxID
	}
	w.where, w.args = condition(q)
	return w
}

// posts returns the next hits, at most limit; fewer, or none, do not mean
// that they have ended. Those read before an error come with it.
func (w *walker) posts(ctx context.Context, limit int) (page []storage.Post, err error) {
	err = w.step(ctx, postColumns, limit, func(rows *sql.Rows) (int64, error) {
		p, err := w.s.scanPost(rows)
		if err == nil {
			page = append(page, p)
		}
		return p.ID, err
	})
	return page, err
}

// step reads columns of the next hits, at most limit; scan returns their ids.
func (w *walker) step(ctx context.Context, columns string, limit int, scan func(*sql.Rows) (int64, error)) error {
	from, to, err := w.next(ctx)
	if err != nil || w.ended {
		return err
	}
	direction := "DESC"
	if w.ascending {
		direction = "ASC"
	}
	bounds := fmt.Sprintf("BETWEEN %d AND %d", from, to) // numbers of our own
	where := strings.ReplaceAll(w.where, matchMark, matchMark+" AND post_fts.rowid "+bounds)
	rows, err := w.s.archive.reads.QueryContext(ctx, "SELECT "+columns+" FROM post p WHERE p.id "+bounds+" AND "+where+
		" ORDER BY p.id "+direction+" LIMIT ?", append(w.args, limit)...)
	if err != nil {
		return err
	}
	ids, err := collect(rows, scan)
	if err != nil {
		return err
	}
	w.passed(from, to, ids, limit)
	return nil
}

// next is the stretch to look at: it begins at the next post that exists.
func (w *walker) next(ctx context.Context) (from, to int64, err error) {
	edge := "max"
	if w.ascending {
		edge = "min"
	}
	var id sql.NullInt64
	err = w.s.archive.reads.QueryRowContext(ctx, "SELECT "+edge+"(id) FROM post WHERE id < ? AND id > ?", w.below, w.above).Scan(&id)
	if err != nil {
		return 0, 0, err
	}
	w.ended = !id.Valid
	if w.ascending {
		return id.Int64, min(w.below-1, id.Int64+min(w.stretch, math.MaxInt64-id.Int64)), nil
	}
	return max(w.above+1, id.Int64-w.stretch), id.Int64, nil
}

// passed notes how far a step came, and sets the length of the next.
func (w *walker) passed(from, to int64, ids []int64, limit int) {
	switch {
	case len(ids) == limit: // there may be more in this stretch
		from, to = ids[limit-1], ids[limit-1]
		w.stretch = max(w.stretch/2, firstStretch)
	case w.stretch < math.MaxInt64/8:
		w.stretch *= 8
	}
	if w.ascending {
		w.above = to
	} else {
		w.below = from
	}
}

// reached is the id from which to go on after a step that broke off when it
// had read a page.
func (w *walker) reached(page []storage.Post) int64 {
	switch {
	case len(page) > 0:
		return page[len(page)-1].ID
	case w.ascending:
		return w.above
	}
	return w.below
}
