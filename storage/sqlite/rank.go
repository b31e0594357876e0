package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"hark/storage"
	"hark/storage/query"
)

// order is one of the orders that hits come in; its text begins a cursor.
type order string

const (
	newest    order = "n"
	oldest    order = "o"
	relevance order = "r"
	score     order = "s"
)

func orderOf(q *query.Query) order {
	switch q.Sort {
	case query.SortOldest:
		return oldest
	case query.SortRelevance:
		return relevance
	case query.SortScore:
		return score
	}
	return newest // newest and seen: both are the order of arrival
}

func (o order) ranked() bool { return o == relevance || o == score }

// cursor is where a page ended: after the hit of that rank and id. A ranking
// is of the hits up to the id top, so that what arrives does not shift it.
type cursor struct {
	order order
	id    int64
	top   int64
	rank  float64
}

func (c cursor) String() string {
	text := string(c.order) + " " + strconv.FormatInt(c.id, 36)
	if c.order.ranked() {
		text += " " + strconv.FormatInt(c.top, 36) + " " + strconv.FormatUint(math.Float64bits(c.rank), 36)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// parseCursor undoes String; an empty text is the begin.
func parseCursor(text string, o order) (cursor, error) {
	c := cursor{order: o}
	if text == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	fields := strings.Split(string(b), " ")
	if want := 2; err != nil || fields[0] != string(o) || !o.ranked() && len(fields) != want || o.ranked() && len(fields) != want+2 {
		return c, storage.ErrCursor
	}
	var bits uint64
	var errs [3]error
	c.id, errs[0] = strconv.ParseInt(fields[1], 36, 64)
	if o.ranked() {
		c.top, errs[1] = strconv.ParseInt(fields[2], 36, 64)
		bits, errs[2] = strconv.ParseUint(fields[3], 36, 64)
		c.rank = math.Float64frombits(bits)
	}
	if errors.Join(errs[:]...) != nil || c.id <= 0 || c.top < 0 || math.IsNaN(c.rank) {
		return c, storage.ErrCursor
	}
	return c, nil
}

// rankWindow is how many hits a ranking looks at: the newest.
const rankWindow = 5000

// hit is what a ranking keeps of a post.
type hit struct {
	id   int64
	rank float64 // higher comes first
}

// ranked pages through the newest hits in the order of their rank. If time
// runs out while they are gathered, those gathered are ranked.
func (s *Store) ranked(ctx, timed context.Context, q *query.Query, p storage.Page, c cursor, limit int) (hits storage.Hits, err error) {
	w := s.walk(q, p)
	if c.top > 0 {
		w.below = min(w.below, c.top+1)
	}
	all, err := s.gather(timed, w)
	if err == nil && c.order == relevance {
		err = s.relevance(timed, w, all)
	}
	if hits.Partial = expired(ctx, timed, err); err != nil && !hits.Partial {
		return storage.Hits{}, err
	}
	if len(all) == 0 {
		return hits, nil
	}
	c.top = all[0].id
	slices.SortFunc(all, before)
	if c.id != 0 {
		all = slices.DeleteFunc(all, func(h hit) bool { return before(h, hit{c.id, c.rank}) <= 0 })
	}
	more := len(all) > limit
	all = all[:min(limit, len(all))]
	if more {
		last := all[limit-1]
		c.id, c.rank = last.id, last.rank
		hits.Next = c.String()
	}
	hits.Posts, err = s.postsOf(ctx, all)
	return hits, err
}

func before(a, b hit) int {
	return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(b.id, a.id))
}

// gather reads the ids of the newest hits, with the highest score of a label.
func (s *Store) gather(ctx context.Context, w *walker) (all []hit, err error) {
	const columns = "p.id, coalesce((SELECT max(l.score) FROM post_label l WHERE l.post_id = p.id), 0.0)"
	for len(all) < rankWindow && !w.ended {
		err := w.step(ctx, columns, rankWindow-len(all), func(rows *sql.Rows) (int64, error) {
			var h hit
			err := rows.Scan(&h.id, &h.rank)
			if err == nil {
				all = append(all, h)
			}
			return h.id, err
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// relevance sets the ranks of hits, which descend by id, to how well the text
// fits: the sum over the query's text parts. Without any all are alike.
// ref: https://www.sqlite.org/fts5.html#the_bm25_function
func (s *Store) relevance(ctx context.Context, w *walker, all []hit) error {
	for i := range all {
		all[i].rank = 0
	}
	if len(all) == 0 {
		return nil
	}
	byID := make(map[int64]*hit, len(all))
	for i := range all {
		byID[all[i].id] = &all[i]
	}
	for _, match := range matches(w) {
		rows, err := s.archive.reads.QueryContext(ctx, fmt.Sprintf("SELECT rowid, bm25(post_fts) FROM post_fts WHERE %s AND rowid BETWEEN %d AND %d",
			matchMark, all[len(all)-1].id, all[0].id), match)
		if err != nil {
			return err
		}
		_, err = collect(rows, func(rows *sql.Rows) (struct{}, error) {
			var id int64
			var bm25 float64 // negative; the lower, the better
			err := rows.Scan(&id, &bm25)
			if h := byID[id]; err == nil && h != nil {
				h.rank -= bm25
			}
			return struct{}{}, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// matches are the arguments of a query's questions to the full-text index.
func matches(w *walker) (all []any) {
	n := 0
	for rest := w.where; ; {
		i := strings.IndexByte(rest, '?')
		if i < 0 || n == len(w.args) {
			return all
		}
		if strings.HasSuffix(rest[:i+1], matchMark) {
			all = append(all, w.args[n])
		}
		n, rest = n+1, rest[i+1:]
	}
}

// postsOf reads posts in the order of their hits; one erased meanwhile is left out.
func (s *Store) postsOf(ctx context.Context, hits []hit) ([]storage.Post, error) {
	args := make([]any, len(hits))
	for i, h := range hits {
		args[i] = h.id
	}
	rows, err := s.archive.reads.QueryContext(ctx, "SELECT "+postColumns+" FROM post p WHERE p.id IN (0"+strings.Repeat(", ?", len(args))+")", args...)
	if err != nil {
		return nil, err
	}
	found, err := collect(rows, func(rows *sql.Rows) (storage.Post, error) { return s.scanPost(rows) })
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]storage.Post, len(found))
	for _, p := range found {
		byID[p.ID] = p
	}
	var posts []storage.Post
	for _, h := range hits {
		if p, ok := byID[h.id]; ok {
			posts = append(posts, p)
		}
	}
	return posts, nil
}
