package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"hark/storage"
	"hark/storage/query"
)

const (
	searchDeadline = 2 * time.Second
	pageDefault    = 20
	pageMost       = 200
	eachPage       = 200
	countStep      = 5000
)

// Search returns a page of the posts that a query selects, in the order that
// it asks for. Newest, oldest and seen go by arrival, which is the order of
// ids, so a page costs the same however many hits there are; relevance and
// score rank the newest 5,000 hits. After two seconds Search returns what it
// has by then, marked Partial. An unusable cursor is an ErrCursor.
func (s *Store) Search(ctx context.Context, q *query.Query, p storage.Page) (storage.Hits, error) {
	if q.Nothing() && !q.IsAll() {
		return storage.Hits{}, nil
	}
	c, err := parseCursor(p.Cursor, orderOf(q))
	if err != nil {
		return storage.Hits{}, fmt.Errorf("search: %w", err)
	}
	limit := bounded(p.Limit, pageDefault, pageMost)
	timed, cancel := context.WithTimeout(ctx, searchDeadline)
	defer cancel()
	var hits storage.Hits
	if c.order.ranked() {
		hits, err = s.ranked(ctx, timed, q, p, c, limit)
	} else {
		hits, err = s.byArrival(ctx, timed, q, p, c, limit)
	}
	if err != nil {
		return storage.Hits{}, fmt.Errorf("search: %w", known(err))
	}
	return hits, nil
}

// expired tells a search that ran out of its own time from one that failed.
func expired(ctx, timed context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && errors.Is(timed.Err(), context.DeadlineExceeded)
}

// byArrival pages through the hits in the order of ids.
func (s *Store) byArrival(ctx, timed context.Context, q *query.Query, p storage.Page, c cursor, limit int) (storage.Hits, error) {
	w := s.walk(q, p)
	w.ascending = c.order == oldest
	if c.id != 0 && w.ascending {
		w.above = max(w.above, c.id)
	} else if c.id != 0 {
		w.below = min(w.below, c.id)
	}
	var hits storage.Hits
	for len(hits.Posts) <= limit { // one more than asked for: there is a next page
		page, err := w.posts(timed, limit+1-len(hits.Posts))
		hits.Posts = append(hits.Posts, page...)
		if err != nil {
			if !expired(ctx, timed, err) {
				return storage.Hits{}, err
			}
			hits.Partial = true
			if c.id = w.reached(page); c.id > 0 && c.id < math.MaxInt64 {
				hits.Next = c.String()
			}
			return hits, nil
		}
		if w.ended {
			return hits, nil
		}
	}
	hits.Posts = hits.Posts[:limit]
	c.id = hits.Posts[limit-1].ID
	hits.Next = c.String()
	return hits, nil
}

// Count returns how many posts a query selects; capped, if there are more
// than most, of which n is then the value, or if two seconds did not suffice
// to count them.
func (s *Store) Count(ctx context.Context, q *query.Query, most int64) (n int64, capped bool, err error) {
	if q.Nothing() && !q.IsAll() {
		return 0, false, nil
	}
	timed, cancel := context.WithTimeout(ctx, searchDeadline)
	defer cancel()
	w := s.walk(q, storage.Page{})
	for n <= most && !w.ended {
		err := w.step(timed, "p.id", int(min(most+1-n, countStep)), func(rows *sql.Rows) (id int64, err error) {
			n++
			err = rows.Scan(&id)
			return id, err
		})
		if expired(ctx, timed, err) {
			return min(n, most), true, nil
		}
		if err != nil {
			return 0, false, fmt.Errorf("count: %w", known(err))
		}
	}
	return min(n, most), n > most, nil
}

// Each calls fn with every post that a query selects, in ascending order of
// id, and stops at its first error, which it returns as it is. It holds some
// hundreds of posts at a time and no lock between them, so a post that is
// added, changed or erased meanwhile is met as it is when its turn comes.
func (s *Store) Each(ctx context.Context, q *query.Query, fn func(*storage.Post) error) error {
	if q.Nothing() && !q.IsAll() {
		return nil
	}
	w := s.walk(q, storage.Page{})
	w.ascending = true
	for !w.ended {
		page, err := w.posts(ctx, eachPage)
		if err != nil {
			return fmt.Errorf("read posts: %w", known(err))
		}
		for i := range page {
			if err := fn(&page[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
