package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hark/activitypub/sig"
	"hark/storage"
	"hark/storage/sqlite"
)

// actorKeyFile holds the private key of the relay actor, in the folder of the
// store.
const actorKeyFile = "actor.pem"

// lockFile is what a serving node holds locked, in the folder of the store.
const lockFile = "serve.lock"

// errServed says that another node serves a store.
func errServed(dir string) error {
	return fmt.Errorf("another Hark serves the store in %s already; stop it first, or choose another folder with HARK_STORAGE_PATH", dir)
}

// errNoStore is returned when there is no store in local use.
var errNoStore = errors.New("there is no database")

// openStore opens the store of the configuration. With make, a store that is
// missing is made, but only for local use: one that a configuration names was
// there before, so its absence is a mistake to be told (a wrong folder, a disk
// that is not mounted) and not to be covered with an empty archive.
func openStore(ctx context.Context, c *Config, create bool) (*sqlite.Store, error) {
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: c.Dir(), Create: create && !c.Configured()})
	switch {
	case errors.Is(err, storage.ErrMissing) && c.Configured():
		return nil, fmt.Errorf("there is no database in %s, which %s names; for a new node run `hark init`, else correct storage.path", c.Dir(), c.file)
	case errors.Is(err, storage.ErrMissing):
		return nil, fmt.Errorf("%w in %s yet; `hark serve` and `hark import` make one, `hark init` prepares a node", errNoStore, c.Dir())
	case errors.Is(err, storage.ErrNewer):
		return nil, fmt.Errorf("the database in %s was written by a newer version of Hark; update the program", c.Dir())
	case err != nil:
		return nil, err
	}
	return store, nil
}

// withStore runs fn on the store of the configuration and closes it.
func (p *program) withStore(ctx context.Context, create bool, fn func(*Config, *sqlite.Store) error) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	store, err := openStore(ctx, c, create)
	if err != nil {
		return err
	}
	return errors.Join(fn(c, store), store.Close())
}

// loadKey reads the actor key from the folder of the store. In local use a
// missing key is made; a node that is configured, or that ran before, is
// refused without its key, since with a new one no subscriber would believe it
// any more.
func loadKey(ctx context.Context, c *Config, store *sqlite.Store) (*rsa.PrivateKey, error) {
	file := filepath.Join(c.Dir(), actorKeyFile)
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Configured():
		return nil, fmt.Errorf("there is no actor key %s; for a new node run `hark init`, else restore the key from a backup: a new one would break every subscription", file)
	case errors.Is(err, fs.ErrNotExist):
		_, err := store.GetMeta(ctx, "actor-key")
		if err == nil {
			return nil, fmt.Errorf("the actor key %s is gone; restore it, or move %s away to start anew", file, c.Dir())
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return nil, err
		}
		return makeKey(file)
	case err != nil:
		return nil, fmt.Errorf("read the actor key: %w", err)
	}
	key, err := sig.ParsePrivatePEM(data)
	if err != nil {
		return nil, fmt.Errorf("the actor key %s cannot be read: %w; restore it from a backup", file, err)
	}
	return key, nil
}

// makeKey makes an actor key and writes it to a file that must not exist.
func makeKey(file string) (*rsa.PrivateKey, error) {
	key, err := sig.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make the actor key: %w", err)
	}
	data, err := sig.MarshalPrivatePEM(key)
	if err != nil {
		return nil, fmt.Errorf("make the actor key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the actor key: %w", err)
	}
	if err := writeNew(file, data, 0o600); err != nil {
		return nil, fmt.Errorf("write the actor key: %w", err)
	}
	return key, nil
}

// writeNew writes a file that must not exist. It appears whole or not at all,
// and is on the disk when writeNew returns.
func writeNew(file string, data []byte, mode fs.FileMode) (err error) {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s: %w", file, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
