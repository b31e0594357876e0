package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"hark/storage"
)

// tokensKept is how long sessions and sign-in links are listed after their end.
const tokensKept = 30 * 24 * time.Hour

const tokenColumns = "id, hash, scopes, holder, purpose, one_time, session, created, expires, last_used, revoked"

func scanToken(row interface{ Scan(...any) error }) (t storage.Token, err error) {
	var scopes string
	var created, expires, used int64
	err = row.Scan(&t.ID, &t.Hash, &scopes, &t.Holder, &t.Purpose, &t.OneTime, &t.Session, &created, &expires, &used, &t.Revoked)
	if err != nil {
		return t, err
	}
	t.Created, t.Expires, t.LastUsed = at(created), at(expires), at(used)
	t.Scopes, err = unlist[storage.Scope](scopes)
	return t, err
}

// AddToken keeps a token, or returns storage.ErrExists if its id or hash is taken.
func (s *Store) AddToken(ctx context.Context, k storage.Token) error {
	scopes, err := list(k.Scopes)
	if err != nil {
		return fmt.Errorf("add token: %w", err)
	}
	if k.Created.IsZero() {
		k.Created = s.now()
	}
	err = s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "INSERT INTO token ("+tokenColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			k.ID, blob(k.Hash), scopes, k.Holder, k.Purpose, k.OneTime, k.Session, ms(k.Created), ms(k.Expires), ms(k.LastUsed), k.Revoked)
		if err == nil && n == 0 {
			err = storage.ErrExists
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("add token %q: %w", k.ID, err)
	}
	return nil
}

// GetTokenByHash returns the token whose secret has that SHA-256, or
// storage.ErrNotFound. It may be expired or revoked, which the caller judges;
// one that is OneTime opens nothing but through ConsumeToken.
func (s *Store) GetTokenByHash(ctx context.Context, hash []byte) (storage.Token, error) {
	k, err := scanToken(s.archive.reads.QueryRowContext(ctx, "SELECT "+tokenColumns+" FROM token WHERE hash = ?", blob(hash)))
	if err != nil {
		return storage.Token{}, fmt.Errorf("get token: %w", known(err))
	}
	return k, nil
}

// ConsumeToken uses up a one-time token and returns it as it was. It returns
// storage.ErrNotFound if there is none with that hash that is valid now, so
// of several callers at the same time one succeeds.
func (s *Store) ConsumeToken(ctx context.Context, hash []byte, now time.Time) (storage.Token, error) {
	var k storage.Token
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE token SET revoked = 1, last_used = ?1
			WHERE hash = ?2 AND one_time AND NOT revoked AND (expires = 0 OR expires > ?1)`, ms(now), blob(hash))
		if err != nil {
			return err
		}
		if n == 0 {
			return storage.ErrNotFound
		}
		rows, err := t.query(ctx, "SELECT "+tokenColumns+" FROM token WHERE hash = ?", blob(hash))
		if err != nil {
			return err
		}
		found, err := collect(rows, func(rows *sql.Rows) (storage.Token, error) { return scanToken(rows) })
		if err != nil {
			return err
		}
		k = found[0] // the row just changed
		k.Revoked = false
		return nil
	})
	if err != nil {
		return storage.Token{}, fmt.Errorf("consume token: %w", err)
	}
	return k, nil
}

// ListTokens returns all tokens, the newest first.
func (s *Store) ListTokens(ctx context.Context) ([]storage.Token, error) {
	rows, err := s.archive.reads.QueryContext(ctx, "SELECT "+tokenColumns+" FROM token ORDER BY created DESC, id")
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", known(err))
	}
	all, err := collect(rows, func(rows *sql.Rows) (storage.Token, error) { return scanToken(rows) })
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return all, nil
}

// RevokeToken ends a token, or returns storage.ErrNotFound.
func (s *Store) RevokeToken(ctx context.Context, id string) error {
	return s.changeToken(ctx, "revoke", "UPDATE token SET revoked = 1 WHERE id = ?", id)
}

// TouchToken notes a use of a token, or returns storage.ErrNotFound. An
// earlier time than the one noted has no effect.
func (s *Store) TouchToken(ctx context.Context, id string, used time.Time) error {
	return s.changeToken(ctx, "touch", "UPDATE token SET last_used = max(last_used, ?2) WHERE id = ?1", id, ms(used))
}

func (s *Store) changeToken(ctx context.Context, act, query, id string, args ...any) error {
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, query, append([]any{id}, args...)...)
		if err == nil && n == 0 {
			err = storage.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s token %q: %w", act, id, err)
	}
	return nil
}
