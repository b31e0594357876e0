package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hark/storage"
)

// EraseObject empties the entries of an object, all but Deletes and Undos of
// it, and drops the Announces of it that wait to be fetched. It returns how
// many entries it emptied. Cursors pass over them; Checkpoint removes the
// last bytes.
func (s *Store) EraseObject(ctx context.Context, objectID string) (int64, error) {
	n, err := s.eraseEntries(ctx, false, "object_id = ? AND object_id <> ''", objectID)
	if err == nil {
		err = s.change(ctx, "drop unresolved", "DELETE FROM unresolved WHERE object_id = ?", objectID)
	}
	if err != nil {
		return n, fmt.Errorf("erase object from journal: %w", err)
	}
	return n, nil
}

// EraseActor empties the entries of an actor, and those that carry a fetched
// object by it, all but Deletes and Undos; and drops what it announced that
// waits to be fetched. It returns how many entries it emptied.
func (s *Store) EraseActor(ctx context.Context, actor string) (int64, error) {
	n, err := s.eraseActor(ctx, actor, false)
	if err != nil {
		return n, fmt.Errorf("erase actor from journal: %w", err)
	}
	return n, nil
}

func (s *Store) eraseActor(ctx context.Context, actor string, wholly bool) (int64, error) {
	if actor == "" {
		return 0, nil
	}
	n, err := s.eraseEntries(ctx, wholly, "actor = ?", actor)
	if err != nil {
		return n, err
	}
	fetched, err := s.eraseFetched(ctx, wholly, func(author string) bool { return author == actor })
	if err != nil {
		return n + fetched, err
	}
	return n + fetched, s.change(ctx, "drop unresolved", "DELETE FROM unresolved WHERE actor = ?", actor)
}

// Of an erased entry the bytes and their evidence go. What is erased wholly
// (by the operator's word) loses its ids as well, Deletes and Undos included.
const (
	emptied     = "body = x'', object = NULL, evidence = '{}', erased = 1"
	emptyWholly = emptied + ", activity_id = '', actor = '', object_id = '', object_key = ''"
	keepsBody   = "erased = 0 AND type NOT IN ('Delete', 'Undo')"
	hasIDs      = "activity_id <> ''"
)

// eraseEntries empties the entries that a condition selects, some hundreds in
// a transaction so that appends get their turn.
func (s *Store) eraseEntries(ctx context.Context, wholly bool, where string, args ...any) (int64, error) {
	set, left := emptied, keepsBody
	if wholly {
		set, left = emptyWholly, hasIDs
	}
	query := fmt.Sprintf("UPDATE journal SET %s WHERE seq IN (SELECT seq FROM journal WHERE (%s) AND %s LIMIT %d)", set, where, left, eraseLimit)
	var total int64
	for {
		var n int64
		err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) (err error) {
			n, err = t.exec(ctx, query, args...)
			return err
		})
		if err != nil || n == 0 {
			return total, err
		}
		total += n
	}
}

// eraseFetched empties the entries whose fetched object is by an author that
// is meant. The author stands only in the object itself.
func (s *Store) eraseFetched(ctx context.Context, wholly bool, meant func(author string) bool) (int64, error) {
	type fetched struct {
		seq     int64
		authors []string
	}
	var total, after int64
	for {
		rows, err := s.journal.reads.QueryContext(ctx,
			"SELECT seq, object FROM journal WHERE object IS NOT NULL AND seq > ? ORDER BY seq LIMIT 200", after)
		if err != nil {
			return total, err
		}
		page, err := collect(rows, func(rows *sql.Rows) (f fetched, err error) {
			var object []byte
			err = rows.Scan(&f.seq, &object)
			f.authors = authorsOf(object)
			return f, err
		})
		if err != nil || len(page) == 0 {
			return total, err
		}
		for _, f := range page {
			after = f.seq
			for _, author := range f.authors {
				if !meant(author) {
					continue
				}
				n, err := s.eraseEntries(ctx, wholly, "seq = ?", f.seq)
				if total += n; err != nil {
					return total, err
				}
				break
			}
		}
	}
}

// authorsOf reads attributedTo of an object: an id, an object with an id, or
// a list of those. What cannot be read has no author.
// ref: https://www.w3.org/TR/activitystreams-vocabulary/#dfn-attributedto
func authorsOf(object []byte) []string {
	var o struct {
		AttributedTo json.RawMessage `json:"attributedTo"`
	}
	if json.Unmarshal(object, &o) != nil {
		return nil
	}
	var many []json.RawMessage
	if json.Unmarshal(o.AttributedTo, &many) != nil {
		many = []json.RawMessage{o.AttributedTo}
	}
	var ids []string
	for _, one := range many {
		var id string
		var inline struct {
			ID string `json:"id"`
		}
		switch {
		case json.Unmarshal(one, &id) == nil:
			ids = append(ids, id)
		case json.Unmarshal(one, &inline) == nil:
			ids = append(ids, inline.ID)
		}
	}
	return ids
}

var errForgetOne = errors.New("forget takes exactly one of actor, host and URI")

// Forget erases, in both databases, everything of an actor, of a host (the
// host itself, not its subdomains) or of one URI; exactly one must be given.
// Posts do not come back by a late Create or an import. Entries lose their
// ids too, so that cursors pass over empty rows. It ends with a Checkpoint;
// if that fails, the receipt is right, but bytes may be left in the logs
// until the next one. The audit log and the subscriptions are left alone.
func (s *Store) Forget(ctx context.Context, actor, host, uri string) (storage.Forgotten, error) {
	var r storage.Forgotten
	var err error
	switch {
	case actor != "" && host == "" && uri == "":
		err = s.forgetActor(ctx, actor, &r)
	case host != "" && actor == "" && uri == "":
		err = s.forgetHost(ctx, host, &r)
	case uri != "" && actor == "" && host == "":
		err = s.forgetURI(ctx, uri, &r)
	default:
		err = errForgetOne
	}
	if err == nil {
		err = s.Checkpoint(ctx)
	}
	if err != nil {
		return r, fmt.Errorf("forget: %w", err)
	}
	return r, nil
}

func (s *Store) forgetActor(ctx context.Context, actor string, r *storage.Forgotten) (err error) {
	if r.Entries, err = s.eraseActor(ctx, actor, true); err != nil {
		return err
	}
	if r.Posts, err = s.erasePosts(ctx, "actor = ?", actor); err != nil {
		return err
	}
	if r.Actors, err = s.eraseActors(ctx, "id = ?", actor); err != nil {
		return err
	}
	return s.eraseDecisions(ctx, "actor = ?", decidedOn(actor))
}

func (s *Store) eraseDecisions(ctx context.Context, where string, arg any) error {
	return s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM decision WHERE "+where, arg)
		return err
	})
}

func (s *Store) forgetHost(ctx context.Context, host string, r *storage.Forgotten) (err error) {
	// An id begins with its origin; '0' is the character after '/'.
	const ofHost = "origin = ?1 OR actor >= 'https://' || ?1 || '/' AND actor < 'https://' || ?1 || '0'" +
		" OR actor >= 'http://' || ?1 || '/' AND actor < 'http://' || ?1 || '0'"
	if r.Entries, err = s.eraseEntries(ctx, true, ofHost, host); err != nil {
		return err
	}
	if err = s.change(ctx, "drop unresolved", "DELETE FROM unresolved WHERE via = ?1"+
		" OR object_id >= 'https://' || ?1 || '/' AND object_id < 'https://' || ?1 || '0'"+
		" OR object_id >= 'http://' || ?1 || '/' AND object_id < 'http://' || ?1 || '0'", host); err != nil {
		return err
	}
	// The handle tells the host where accounts live at another address than posts.
	if r.Posts, err = s.erasePosts(ctx, "host = ?1 OR substr(handle, -length(?1) - 1) = '@' || ?1", host); err != nil {
		return err
	}
	if r.Actors, err = s.eraseActors(ctx, "host = ?", host); err != nil {
		return err
	}
	// Decisions know no host but that of the deliverer; their texts may name others.
	return s.eraseDecisions(ctx, "via = ?1 OR instr(detail, ?1) > 0", host)
}

func (s *Store) forgetURI(ctx context.Context, uri string, r *storage.Forgotten) (err error) {
	if r.Entries, err = s.eraseEntries(ctx, true, "object_id = ?1 AND object_id <> '' OR activity_id = ?1", uri); err != nil {
		return err
	}
	if err = s.change(ctx, "drop unresolved", "DELETE FROM unresolved WHERE object_id = ?1 OR activity_id = ?1", uri); err != nil {
		return err
	}
	if r.Posts, err = s.erasePosts(ctx, "uri = ?1 OR activity_id = ?1", uri); err != nil {
		return err
	}
	if err := s.eraseDecisions(ctx, "object = ?1 OR activity = ?1", decidedOn(uri)); err != nil {
		return err
	}
	return s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		return s.applier(t).bury(ctx, uri, byOperator, time.Time{})
	})
}

// erasePosts erases and buries the posts that a condition selects.
func (s *Store) erasePosts(ctx context.Context, where string, args ...any) (int64, error) {
	query := fmt.Sprintf("SELECT id, uri, actor FROM post WHERE %s ORDER BY id LIMIT %d", where, eraseLimit)
	var total int64
	for {
		var n int64
		err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
			a := s.applier(t)
			vs, err := a.victims(ctx, query, args...)
			if err != nil {
				return err
			}
			for _, v := range vs {
				if err := a.eraseAndBury(ctx, v); err != nil {
					return err
				}
			}
			n = int64(len(vs))
			return nil
		})
		if err != nil || n == 0 {
			return total, err
		}
		total += n
	}
}

func (s *Store) eraseActors(ctx context.Context, where string, args ...any) (n int64, err error) {
	err = s.archive.w.do(ctx, func(ctx context.Context, t *tx) (err error) {
		n, err = t.exec(ctx, "DELETE FROM actor WHERE "+where, args...)
		return err
	})
	return n, err
}

// expireStep is how many posts one transaction of Expire erases: taking one
// out of the full-text index costs more than putting it in, and the listener
// waits meanwhile.
const expireStep = 100

// Expire erases the oldest posts that arrived before a time, at most limit
// (500 if 0), and returns how many; a caller repeats it until that is less.
// With them go cached actors of that age without posts, and tombstones,
// sessions and sign-in links that are long over.
func (s *Store) Expire(ctx context.Context, before time.Time, limit int) (int64, error) {
	if limit <= 0 {
		limit = eraseLimit
	}
	var total int
	for {
		step := min(expireStep, limit-total)
		var n int
		err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
			a := s.applier(t)
			vs, err := a.victims(ctx, "SELECT id, uri, actor FROM post WHERE received < ? ORDER BY received, id LIMIT ?", before.UnixMilli(), step)
			if err != nil {
				return err
			}
			for _, v := range vs {
				if err := a.erase(ctx, v); err != nil {
					return err
				}
			}
			n = len(vs)
			return a.sweep(ctx, before, step)
		})
		if err != nil {
			return int64(total), fmt.Errorf("expire posts: %w", err)
		}
		if total += n; n < step || total == limit {
			return int64(total), nil
		}
	}
}

// sweep removes what has lost its use.
func (a *applier) sweep(ctx context.Context, before time.Time, limit int) error {
	_, err := a.t.exec(ctx, `DELETE FROM actor WHERE id IN (SELECT a.id FROM actor a
		WHERE a.fetched < ? AND NOT EXISTS (SELECT 1 FROM post WHERE post.actor = a.id) LIMIT ?)`, before.UnixMilli(), limit)
	if err != nil {
		return err
	}
	_, err = a.t.exec(ctx, "DELETE FROM tombstone WHERE key IN (SELECT key FROM tombstone WHERE until > 0 AND until < ? LIMIT ?)", ms(a.now), limit)
	if err != nil {
		return err
	}
	_, err = a.t.exec(ctx, "DELETE FROM token WHERE (one_time OR session) AND expires > 0 AND expires < ?", ms(a.now.Add(-tokensKept)))
	return err
}
