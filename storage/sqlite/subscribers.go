package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"hark/storage"
)

const subscriberColumns = `actor, host, inbox, flavour, state, follow_id, follow, follow_back_id, mutual,
	software, actor_type, is_relay, signature_form, filter, cursor, created, updated,
	last_success, last_error, last_error_at, failing_since, failures, retry_at,
	delivered, skipped, gaps, last_skip, last_activity, version, rewinds`

func scanSubscriber(row interface{ Scan(...any) error }) (s storage.Subscriber, err error) {
	var created, updated, success, errorAt, failing, retry, activity int64
	h := &s.Health
	err = row.Scan(&s.Actor, &s.Host, &s.Inbox, &s.Flavour, &s.State, &s.FollowID, &s.Follow, &s.FollowBackID, &s.Mutual,
		&s.Software, &s.ActorType, &s.IsRelay, &s.SignatureForm, &s.Filter, &s.Cursor, &created, &updated,
		&success, &h.LastError, &errorAt, &failing, &h.Failures, &retry,
		&h.Delivered, &h.Skipped, &h.Gaps, &h.LastSkip, &activity, &s.Version, &s.Rewinds)
	s.Follow = nonEmpty(s.Follow)
	s.Created, s.Updated = at(created), at(updated)
	h.LastSuccess, h.LastErrorAt, h.FailingSince = at(success), at(errorAt), at(failing)
	h.RetryAt, h.LastActivity = at(retry), at(activity)
	return s, err
}

// healthArgs are the values of the columns from last_success to last_activity.
func healthArgs(h storage.Health) []any {
	return []any{ms(h.LastSuccess), h.LastError, ms(h.LastErrorAt), ms(h.FailingSince), h.Failures, ms(h.RetryAt),
		h.Delivered, h.Skipped, h.Gaps, h.LastSkip, ms(h.LastActivity)}
}

// GetSubscriber returns the subscriber of that actor, or storage.ErrNotFound.
func (s *Store) GetSubscriber(ctx context.Context, actor string) (storage.Subscriber, error) {
	sub, err := scanSubscriber(s.journal.reads.QueryRowContext(ctx, "SELECT "+subscriberColumns+" FROM subscriber WHERE actor = ?", actor))
	if err != nil {
		return storage.Subscriber{}, fmt.Errorf("get subscriber %q: %w", actor, known(err))
	}
	return sub, nil
}

// ListSubscribers returns the subscribers that the filter selects, ordered by
// host and actor.
func (s *Store) ListSubscribers(ctx context.Context, f storage.SubscriberFilter) ([]storage.Subscriber, error) {
	query, args := "SELECT "+subscriberColumns+" FROM subscriber WHERE true", []any(nil)
	if f.Host != "" {
		query, args = query+" AND host = ?", append(args, f.Host)
	}
	if len(f.States) > 0 {
		query += " AND state IN (?" + strings.Repeat(", ?", len(f.States)-1) + ")"
		for _, st := range f.States {
			args = append(args, string(st))
		}
	}
	rows, err := s.journal.reads.QueryContext(ctx, query+" ORDER BY host, actor", args...)
	if err != nil {
		return nil, fmt.Errorf("list subscribers: %w", known(err))
	}
	subs, err := collect(rows, func(rows *sql.Rows) (storage.Subscriber, error) { return scanSubscriber(rows) })
	if err != nil {
		return nil, fmt.Errorf("list subscribers: %w", err)
	}
	return subs, nil
}

// PutSubscription keeps a subscriber and queues the control messages that its
// change calls for, in one transaction. It sets the IDs of the controls. A
// cursor is never moved back: of the kept and the given one the later stays,
// or the kept one where SetCursor moved it after the record was read.
// An Accept or Reject replaces one to the same actor that is not yet
// delivered, so that a retried old answer cannot arrive after a newer one.
func (s *Store) PutSubscription(ctx context.Context, sub *storage.Subscriber, controls []storage.Control) error {
	ids := make([]int64, len(controls))
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		if err := t.putSubscriber(ctx, sub); err != nil {
			return err
		}
		for i, c := range controls {
			if c.Created.IsZero() {
				c.Created = s.now()
			}
			var err error
			if ids[i], err = t.addControl(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put subscription %q: %w", sub.Actor, err)
	}
	for i := range controls {
		controls[i].ID = ids[i]
	}
	return nil
}

func (t *tx) putSubscriber(ctx context.Context, sub *storage.Subscriber) error {
	args := append([]any{sub.Actor, sub.Host, sub.Inbox, string(sub.Flavour), string(sub.State), sub.FollowID, blob(sub.Follow),
		sub.FollowBackID, sub.Mutual, sub.Software, sub.ActorType, sub.IsRelay, sub.SignatureForm, sub.Filter,
		sub.Cursor, ms(sub.Created), ms(sub.Updated)}, healthArgs(sub.Health)...)
	args = append(args, sub.Version, sub.Rewinds)
	_, err := t.exec(ctx, `INSERT INTO subscriber (`+subscriberColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (actor) DO UPDATE SET host = excluded.host, inbox = excluded.inbox, flavour = excluded.flavour,
			state = excluded.state, follow_id = excluded.follow_id, follow = excluded.follow,
			follow_back_id = excluded.follow_back_id, mutual = excluded.mutual, software = excluded.software,
			actor_type = excluded.actor_type, is_relay = excluded.is_relay, signature_form = excluded.signature_form,
			filter = excluded.filter, cursor = iif(excluded.rewinds < rewinds, cursor, max(cursor, excluded.cursor)), created = excluded.created,
			updated = excluded.updated, last_success = excluded.last_success, last_error = excluded.last_error,
			last_error_at = excluded.last_error_at, failing_since = excluded.failing_since, failures = excluded.failures,
			retry_at = excluded.retry_at, delivered = excluded.delivered, skipped = excluded.skipped,
			gaps = excluded.gaps, last_skip = excluded.last_skip, last_activity = excluded.last_activity, version = excluded.version`, args...)
	return err
}

// SaveProgress writes cursors and health back, all in one transaction.
// Progress whose cursor lies before the kept one is stale and is ignored, as
// is that made before SetCursor and that of a subscriber which is gone; states
// are left alone.
func (s *Store) SaveProgress(ctx context.Context, progress []storage.Progress) error {
	if len(progress) == 0 {
		return nil
	}
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		for _, p := range progress {
			args := append(healthArgs(p.Health), p.Cursor, p.Actor, p.Cursor, p.Rewinds)
			_, err := t.exec(ctx, `UPDATE subscriber SET last_success = ?, last_error = ?, last_error_at = ?, failing_since = ?,
				failures = ?, retry_at = ?, delivered = ?, skipped = ?, gaps = ?, last_skip = ?, last_activity = ?, cursor = ?
				WHERE actor = ? AND cursor <= ? AND rewinds = ?`, args...)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	return nil
}

// SetSubscriberSoftware notes what a subscriber runs, and in which version;
// nothing else of its record is touched. It returns storage.ErrNotFound if
// there is no such subscriber.
func (s *Store) SetSubscriberSoftware(ctx context.Context, actor, software, version string) error {
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "UPDATE subscriber SET software = ?, version = ? WHERE actor = ?", software, version, actor)
		if err == nil && n == 0 {
			err = storage.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set software of subscriber %q: %w", actor, err)
	}
	return nil
}

// SetSignatureForm notes which form of signature a subscriber needs; nothing
// else of its record is touched. A subscriber that is gone is no error.
func (s *Store) SetSignatureForm(ctx context.Context, actor, form string) error {
	return s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "UPDATE subscriber SET signature_form = ? WHERE actor = ?", form, actor)
		return err
	})
}

// SetSubscriberFilter sets a subscriber's filter, "" for none; nothing else of
// its record is touched. It returns storage.ErrNotFound if there is no such
// subscriber.
func (s *Store) SetSubscriberFilter(ctx context.Context, actor, filter string) error {
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "UPDATE subscriber SET filter = ?, updated = ? WHERE actor = ?", filter, ms(s.now()), actor)
		if err == nil && n == 0 {
			err = storage.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set filter of subscriber %q: %w", actor, err)
	}
	return nil
}

// SetCursor sets a subscriber's cursor, back as well, and counts that in its
// Rewinds: whoever is delivering to it takes that as the word to start over
// from there, and what it still writes of its own progress is ignored. It
// returns storage.ErrNotFound if there is no such subscriber.
func (s *Store) SetCursor(ctx context.Context, actor string, cursor int64) error {
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "UPDATE subscriber SET cursor = ?, rewinds = rewinds + 1, updated = ? WHERE actor = ?", cursor, ms(s.now()), actor)
		if err == nil && n == 0 {
			err = storage.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set cursor of subscriber %q: %w", actor, err)
	}
	return nil
}

// SetSubscriberState moves a subscriber to a state if it is in one of from,
// and reports whether it did.
func (s *Store) SetSubscriberState(ctx context.Context, actor string, from []storage.SubscriberState, to storage.SubscriberState) (bool, error) {
	var moved bool
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		for _, f := range from {
			n, err := t.exec(ctx, "UPDATE subscriber SET state = ?, updated = ? WHERE actor = ? AND state = ?",
				string(to), ms(s.now()), actor, string(f))
			if err != nil {
				return err
			}
			if moved = n > 0; moved {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("set state of subscriber %q: %w", actor, err)
	}
	return moved, nil
}
