package sqlite

import (
	"database/sql"
	"errors"

	"hark/storage"
)

// errEnough is returned by a scan function to keep its row and stop.
var errEnough = errors.New("enough rows")

// collect scans all rows and closes them.
func collect[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) (all []T, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil && !errors.Is(err, errEnough) {
			return nil, err
		}
		all = append(all, v)
		if err != nil {
			return all, nil
		}
	}
	return all, rows.Err()
}

// known turns errors of database/sql into the store's own, so that callers
// need not know the driver.
func known(err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return storage.ErrNotFound
	case err != nil && err.Error() == "sql: database is closed":
		return storage.ErrClosed // database/sql does not export it
	}
	return err
}
