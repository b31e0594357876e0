package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"hark/storage"
)

// replaced are the kinds of which those that wait for the same actor give way
// to a new message of a kind.
var replaced = map[storage.ControlKind][]storage.ControlKind{
	storage.ControlAccept: {storage.ControlAccept, storage.ControlReject, storage.ControlGreet},
	storage.ControlReject: {storage.ControlAccept, storage.ControlReject, storage.ControlGreet},
	storage.ControlGreet:  {storage.ControlGreet},
}

func (t *tx) addControl(ctx context.Context, c storage.Control) (int64, error) {
	for _, kind := range replaced[c.Kind] {
		if _, err := t.exec(ctx, "DELETE FROM control WHERE actor = ? AND kind = ?", c.Actor, string(kind)); err != nil {
			return 0, err
		}
	}
	return t.insert(ctx, "INSERT INTO control (actor, inbox, kind, body, attempts, next_at, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
		c.Actor, c.Inbox, string(c.Kind), blob(c.Body), c.Attempts, ms(c.NextAt), ms(c.Created))
}

// ListControls returns the control messages to be delivered by the time due,
// the longest waiting first, at most limit (100 if 0, never more than 1,000).
func (s *Store) ListControls(ctx context.Context, due time.Time, limit int) ([]storage.Control, error) {
	rows, err := s.journal.reads.QueryContext(ctx, `SELECT id, actor, inbox, kind, body, attempts, next_at, created
		FROM control WHERE next_at <= ? ORDER BY next_at, id LIMIT ?`, due.UnixMilli(), bounded(limit, 100, 1000))
	if err != nil {
		return nil, fmt.Errorf("list controls: %w", known(err))
	}
	cs, err := collect(rows, func(rows *sql.Rows) (c storage.Control, err error) {
		var next, created int64
		err = rows.Scan(&c.ID, &c.Actor, &c.Inbox, &c.Kind, &c.Body, &c.Attempts, &next, &created)
		c.NextAt, c.Created = at(next), at(created)
		c.Body = nonEmpty(c.Body)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("list controls: %w", err)
	}
	return cs, nil
}

// RetryControl notes a failed attempt and when the next one is due. It has no
// effect if the message is gone.
func (s *Store) RetryControl(ctx context.Context, id int64, attempts int, next time.Time) error {
	return s.change(ctx, "retry control", "UPDATE control SET attempts = ?, next_at = ? WHERE id = ?", attempts, ms(next), id)
}

// DeleteControl removes a control message, delivered or given up. It has no
// effect if the message is gone.
func (s *Store) DeleteControl(ctx context.Context, id int64) error {
	return s.change(ctx, "delete control", "DELETE FROM control WHERE id = ?", id)
}

// AddRule adds a rule, or returns storage.ErrExists if its host has one.
func (s *Store) AddRule(ctx context.Context, r storage.PolicyRule) error {
	if r.Created.IsZero() {
		r.Created = s.now()
	}
	err := s.journal.w.do(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "INSERT INTO policy (host, action, reason, created) VALUES (?, ?, ?, ?) ON CONFLICT (host) DO NOTHING",
			r.Host, r.Action, r.Reason, ms(r.Created))
		if err == nil && n == 0 {
			err = storage.ErrExists
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("add rule for %q: %w", r.Host, err)
	}
	return nil
}

// DeleteRule removes the rule of a host; no effect if it has none.
func (s *Store) DeleteRule(ctx context.Context, host string) error {
	return s.change(ctx, "delete rule", "DELETE FROM policy WHERE host = ?", host)
}

// ListRules returns all rules, ordered by host.
func (s *Store) ListRules(ctx context.Context) ([]storage.PolicyRule, error) {
	rows, err := s.journal.reads.QueryContext(ctx, "SELECT host, action, reason, created FROM policy ORDER BY host")
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", known(err))
	}
	rules, err := collect(rows, func(rows *sql.Rows) (r storage.PolicyRule, err error) {
		var created int64
		err = rows.Scan(&r.Host, &r.Action, &r.Reason, &created)
		r.Created = at(created)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	return rules, nil
}
