package storage

import "errors"

var (
	// ErrNotFound is returned when no record has that key.
	ErrNotFound = errors.New("not found")
	// ErrExists is returned when an Add meets a record with that key.
	ErrExists = errors.New("already exists")
	// ErrClosed is returned when the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrNewer is returned when a file was written by a newer version of Hark.
	ErrNewer = errors.New("written by a newer version")
	// ErrMissing is returned when a database that must exist does not.
	ErrMissing = errors.New("database is missing")
	// ErrTampered is returned when the audit log does not hold together.
	ErrTampered = errors.New("audit log was changed")
	// ErrCursor is returned when a page's cursor is not one that the same
	// search gave.
	ErrCursor = errors.New("unusable cursor")
)
