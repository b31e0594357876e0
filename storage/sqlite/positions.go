package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hark/storage"
)

// ArrivalAfter returns the sequence and the arrival of the first entry after a
// sequence, or storage.ErrNotFound if there is none.
func (s *Store) ArrivalAfter(ctx context.Context, seq int64) (int64, time.Time, error) {
	var next, received int64
	err := s.journal.reads.QueryRowContext(ctx, "SELECT seq, received FROM journal WHERE seq > ? ORDER BY seq LIMIT 1", seq).Scan(&next, &received)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("arrival after %d: %w", seq, known(err))
	}
	return next, at(received), nil
}

// FirstSince returns the sequence of the first entry that arrived at a time or
// later, or storage.ErrNotFound if none did. Arrival never falls with the
// sequence, so it is found in a few steps, however long the journal is.
func (s *Store) FirstSince(ctx context.Context, since time.Time) (int64, error) {
	tail, head, err := s.Bounds(ctx)
	if err != nil {
		return 0, err
	}
	want := since.UnixMilli()
	// Somewhere in [low, high] is a sequence of which the entry sought is the
	// first at or after it; there may be holes.
	low, high := tail, head+1
	for low < high {
		mid := low + (high-low)/2
		next, received, err := s.ArrivalAfter(ctx, mid-1)
		switch {
		case err == nil && received.UnixMilli() < want:
			low = next + 1
		case err == nil || errors.Is(err, storage.ErrNotFound):
			high = mid
		default:
			return 0, err
		}
	}
	next, _, err := s.ArrivalAfter(ctx, low-1)
	return next, err
}

// CountRelayed returns how many entries after a sequence, up to and with
// another, are to be fanned out. It reads all of them: for an operator's
// question, not for every second.
func (s *Store) CountRelayed(ctx context.Context, after, upTo int64) (int64, error) {
	var n int64
	err := s.journal.reads.QueryRowContext(ctx, "SELECT count(*) FROM journal WHERE seq > ? AND seq <= ? AND relay = 1 AND erased = 0", after, upTo).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count what is relayed: %w", known(err))
	}
	return n, nil
}
