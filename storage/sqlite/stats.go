package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"hark/storage"
)

// ListCounts returns the counts from a day (YYYY-MM-DD; "" all), ordered by
// day and reason.
func (s *Store) ListCounts(ctx context.Context, fromDay string) ([]storage.DayCount, error) {
	rows, err := s.archive.reads.QueryContext(ctx, "SELECT day, reason, count FROM day_count WHERE day >= ? ORDER BY day, reason", fromDay)
	if err != nil {
		return nil, fmt.Errorf("list counts: %w", known(err))
	}
	cs, err := collect(rows, func(rows *sql.Rows) (c storage.DayCount, err error) {
		err = rows.Scan(&c.Day, &c.Reason, &c.Count)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("list counts: %w", err)
	}
	return cs, nil
}

// Stats returns figures of the store. Oldest and Newest are arrivals of posts.
func (s *Store) Stats(ctx context.Context) (storage.Stats, error) {
	var st storage.Stats
	var oldest, newest int64
	err := s.archive.reads.QueryRowContext(ctx,
		"SELECT count(*), coalesce((SELECT min(received) FROM post), 0), coalesce((SELECT max(received) FROM post), 0) FROM post").
		Scan(&st.Posts, &oldest, &newest)
	if err == nil {
		err = s.journal.reads.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM journal), seq FROM journal_head").Scan(&st.Journal, &st.Head)
	}
	if err != nil {
		return storage.Stats{}, fmt.Errorf("stats: %w", known(err))
	}
	st.Oldest, st.Newest = at(oldest), at(newest)
	st.FileBytes = s.journal.size() + s.archive.size()
	return st, nil
}
