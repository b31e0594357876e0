package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"

	"hark/storage"
)

// auditDomain begins what is hashed for an audit entry, so that the hash
// stands for nothing else.
const auditDomain = "hark audit 1\n"

// auditHash is the hash of an entry: SHA-256 over, one after the other,
//
//	"hark audit 1\n"
//	Prev, 32 bytes: the hash of the entry before, zeros for the first
//	Seq, At in Unix milliseconds, Count: 8 bytes each, big-endian
//	Token, Action, Subject: each its length in bytes as 8 bytes, big-endian,
//	and then its bytes
//
// Every field has its place by its length, so no two entries share an encoding.
func auditHash(e storage.AuditEntry) []byte {
	b := append([]byte(auditDomain), e.Prev...)
	for _, n := range []int64{e.Seq, ms(e.At), e.Count} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, f := range []string{e.Token, e.Action, e.Subject} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(f)))
		b = append(b, f...)
	}
	h := sha256.Sum256(b)
	return h[:]
}

// AddAudit adds an entry to the end of the audit log and returns it with Seq,
// Prev and Hash, and with At where it was zero.
func (s *Store) AddAudit(ctx context.Context, e storage.AuditEntry) (storage.AuditEntry, error) {
	if e.At.IsZero() {
		e.At = s.now()
	}
	e.At = at(ms(e.At))
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		if err := t.one(ctx, []any{&e.Seq, &e.Prev}, "SELECT audit_seq + 1, audit_hash FROM state"); err != nil {
			return err
		}
		e.Hash = auditHash(e)
		_, err := t.exec(ctx, "INSERT INTO audit (seq, at, token, action, subject, count, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			e.Seq, ms(e.At), e.Token, e.Action, e.Subject, e.Count, e.Prev, e.Hash)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, "UPDATE state SET audit_seq = ?, audit_hash = ?", e.Seq, e.Hash)
		return err
	})
	if err != nil {
		return storage.AuditEntry{}, fmt.Errorf("add audit entry: %w", err)
	}
	return e, nil
}

// ListAudit returns the entries after a sequence, in their order, at most
// limit (100 if 0, never more than 1,000).
func (s *Store) ListAudit(ctx context.Context, after int64, limit int) ([]storage.AuditEntry, error) {
	rows, err := s.archive.reads.QueryContext(ctx,
		"SELECT seq, at, token, action, subject, count, prev, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", after, bounded(limit, 100, 1000))
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", known(err))
	}
	es, err := collect(rows, func(rows *sql.Rows) (e storage.AuditEntry, err error) {
		var when int64
		err = rows.Scan(&e.Seq, &when, &e.Token, &e.Action, &e.Subject, &e.Count, &e.Prev, &e.Hash)
		e.At = at(when)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", err)
	}
	return es, nil
}

// VerifyAudit walks the audit log and returns how many entries hold. At the
// first that does not (changed, missing, or cut off the end) it returns
// storage.ErrTampered. Whoever can write to the file can also write a new
// chain: the hash of the newest entry, noted elsewhere, is what proves more.
func (s *Store) VerifyAudit(ctx context.Context) (int64, error) {
	// The end first: entries added while we walk come after it.
	var end int64
	var endHash []byte
	err := s.archive.reads.QueryRowContext(ctx, "SELECT audit_seq, audit_hash FROM state").Scan(&end, &endHash)
	if err != nil {
		return 0, fmt.Errorf("verify audit: %w", known(err))
	}
	var n int64
	prev := make([]byte, sha256.Size)
	for n < end {
		page, err := s.ListAudit(ctx, n, 1000)
		if err != nil {
			return n, err
		}
		if len(page) == 0 {
			return n, fmt.Errorf("audit entry %d is missing: %w", n+1, storage.ErrTampered)
		}
		for _, e := range page {
			if n == end {
				break
			}
			if e.Seq != n+1 {
				return n, fmt.Errorf("audit entry %d is missing: %w", n+1, storage.ErrTampered)
			}
			if !bytes.Equal(e.Prev, prev) || !bytes.Equal(e.Hash, auditHash(e)) {
				return n, fmt.Errorf("audit entry %d: %w", e.Seq, storage.ErrTampered)
			}
			n, prev = e.Seq, e.Hash
		}
	}
	if !bytes.Equal(prev, endHash) {
		return n, fmt.Errorf("end of the audit log: %w", storage.ErrTampered)
	}
	return n, nil
}
