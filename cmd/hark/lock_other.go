//go:build !unix

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// lockStore makes sure that one node at a time serves a store: two would
// deliver everything twice. Here the lock is a file that cannot be removed
// while it is open, so one that was left behind by a crash is no hindrance.
func lockStore(dir string) (io.Closer, error) {
	name := filepath.Join(dir, lockFile)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errServed(dir)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	return f, nil
}
