package sqlite

import (
	"context"
	"fmt"
)

// SeenObject reports whether an entry with that ObjectKey has been appended
// within the last weeks.
func (s *Store) SeenObject(ctx context.Context, objectKey string) (bool, error) {
	var n int
	err := s.journal.reads.QueryRowContext(ctx, "SELECT count(*) FROM seen WHERE key = ?", digest16(seenObject, objectKey)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look up object: %w", known(err))
	}
	return n > 0, nil
}

// EraseOwn empties the entries of an object that its actor itself sent, all
// but Deletes and Undos. It is for a Delete of something that the archive does
// not hold: a neighbour on the same host erases nothing with it.
func (s *Store) EraseOwn(ctx context.Context, objectID, actor string) (int64, error) {
	n, err := s.eraseEntries(ctx, false, "object_id = ? AND object_id <> '' AND actor = ?", objectID, actor)
	if err != nil {
		return n, fmt.Errorf("erase own object from journal: %w", err)
	}
	return n, nil
}
