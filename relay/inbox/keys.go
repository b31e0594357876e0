package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/storage"
)

// Limits of the key cache. A stranger chooses the key ids that arrive, so both
// what is remembered and what is fetched is bounded per host.
const (
	keyCacheSize   = 20_000
	keyMaxAge      = 24 * time.Hour
	actorMaxAge    = 7 * 24 * time.Hour
	keyNegativeAge = 5 * time.Minute  // of a key that its origin denies
	keyFailedAge   = 20 * time.Second // of one that could not be asked for
	fetchRate      = 20               // fetches a second and host: a large instance has many authors
	fetchBurst     = 200              // at once
	strangerRate   = 4                // the same on the word of peers that never spoke for the host
	strangerBurst  = 40
	fetchTimeout   = 12 * time.Second
)

// ErrFetchLimit is returned when a host's share of fetches is used up.
var ErrFetchLimit = errors.New("too many fetches from this host")

// ActorStore keeps actor documents.
type ActorStore interface {
	GetActor(ctx context.Context, id string) (storage.Actor, error)
	PutActor(ctx context.Context, a *storage.Actor) error
}

// Fetcher fetches actors and keys from their origins.
type Fetcher interface {
	Actor(ctx context.Context, id string) (*activitypub.Actor, []byte, error)
	ActorOfKey(ctx context.Context, keyID string) (*activitypub.Actor, sig.Key, []byte, error)
}

// Keys finds keys and actors: in memory, in the store, at their origin. It is
// safe for concurrent use.
type Keys struct {
	store  ActorStore
	remote Fetcher
	now    func() time.Time
	keys   *lru.Cache[string, cachedKey]
	flight singleflight.Group

	hosts, strangers *shares // of fetches
}

type cachedKey struct {
	key sig.Key
	err error
	at  time.Time
}

// NewKeys returns an empty cache over the store and the network.
func NewKeys(store ActorStore, remote Fetcher, now func() time.Time) (*Keys, error) {
	keys, err := lru.New[string, cachedKey](keyCacheSize)
	if err != nil {
		return nil, fmt.Errorf("key cache: %w", err)
	}
	return &Keys{store: store, remote: remote, now: now, keys: keys, hosts: newShares(fetchRate, fetchBurst), strangers: newShares(strangerRate, strangerBurst)}, nil
}

// Key returns the key of that id with its owner. With fresh it is fetched again
// whatever is cached, but not if it was fetched in the last minute. It fails
// with sig.ErrKeyUnavailable, sig.ErrOwner or sig.ErrWeakKey.
func (k *Keys) Key(ctx context.Context, keyID string, fresh bool) (sig.Key, error) {
	return k.key(ctx, keyID, fresh, false)
}

// StrangersKey is Key on the word of a peer that was never verified for the
// host. Its fetches come out of a smaller share, so that strangers can neither
// make Hark hammer a host nor use up what the host's own deliveries need.
func (k *Keys) StrangersKey(ctx context.Context, keyID string, fresh bool) (sig.Key, error) {
	return k.key(ctx, keyID, fresh, true)
}

// LastKey returns the key that the store last had of an actor, however old:
// an actor that is gone cannot be asked any more. It fails with
// sig.ErrKeyUnavailable.
func (k *Keys) LastKey(ctx context.Context, keyID string, _ bool) (sig.Key, error) {
	if key, _, ok := k.stored(ctx, keyID, 0); ok {
		return key, nil
	}
	return sig.Key{}, fmt.Errorf("key %q: %w", keyID, sig.ErrKeyUnavailable)
}

func (k *Keys) key(ctx context.Context, keyID string, fresh, stranger bool) (sig.Key, error) {
	if c, ok := k.cached(keyID, fresh); ok {
		return c.key, c.err
	}
	v, err, _ := k.flight.Do("key "+keyID, func() (any, error) {
		// Another flight may have landed since the cache was asked.
		if c, ok := k.cached(keyID, fresh); ok {
			return c.key, c.err
		}
		if !fresh {
			if key, at, ok := k.stored(ctx, keyID, actorMaxAge); ok {
				k.keys.Add(keyID, cachedKey{key: key, at: at})
				return key, nil
			}
		}
		return k.fetchKey(ctx, keyID, stranger)
	})
	if err != nil {
		return sig.Key{}, err
	}
	return v.(sig.Key), nil
}

// cached is what the cache answers, if what it has is young enough.
func (k *Keys) cached(keyID string, fresh bool) (cachedKey, bool) {
	c, ok := k.keys.Get(keyID)
	if !ok {
		return c, false
	}
	age := k.now().Sub(c.at)
	switch {
	case c.err != nil:
		return c, age < negativeAge(c.err)
	case fresh:
		return c, age < time.Minute
	}
	return c, age < keyMaxAge
}

// negativeAge is how long a failure is remembered.
func negativeAge(err error) time.Duration {
	for _, final := range []error{remote.ErrGone, remote.ErrNotFound, remote.ErrMismatch, remote.ErrContentType, remote.ErrForbiddenAddress, sig.ErrOwner, sig.ErrWeakKey} {
		if errors.Is(err, final) {
			return keyNegativeAge
		}
	}
	return keyFailedAge
}

// KnownActor tells whether anything of that actor was ever verified here.
func (k *Keys) KnownActor(ctx context.Context, id string) bool {
	_, err := k.store.GetActor(ctx, id)
	return err == nil
}

// stored looks the key up in the actor document that the store has. Most keys
// are fragments of their actor.
// A maxAge of 0 takes it however old.
func (k *Keys) stored(ctx context.Context, keyID string, maxAge time.Duration) (sig.Key, time.Time, bool) {
	iri, err := activitypub.ParseIRI(keyID)
	if err != nil {
		return sig.Key{}, time.Time{}, false
	}
	rec, err := k.store.GetActor(ctx, string(iri.WithoutFragment()))
	if err != nil || rec.Gone || maxAge > 0 && k.now().Sub(rec.Fetched) > maxAge || rec.ID != string(iri.WithoutFragment()) {
		return sig.Key{}, time.Time{}, false
	}
	actor, err := activitypub.ParseActor(rec.Document)
	if err != nil || actor.ID != rec.ID {
		return sig.Key{}, time.Time{}, false
	}
	key, err := sig.KeyOf(actor, keyID)
	if err != nil {
		return sig.Key{}, time.Time{}, false
	}
	return key, rec.Fetched, true
}

func (k *Keys) fetchKey(ctx context.Context, keyID string, stranger bool) (sig.Key, error) {
	if !k.allow(keyID, stranger) {
		return sig.Key{}, fmt.Errorf("key %q: %w: %w", keyID, sig.ErrKeyUnavailable, ErrFetchLimit)
	}
	// Whoever waits beside us must not lose the key because we hang up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	actor, key, doc, err := k.remote.ActorOfKey(ctx, keyID)
	if err != nil {
		if !errors.Is(err, sig.ErrOwner) && !errors.Is(err, sig.ErrWeakKey) {
			err = fmt.Errorf("%w: %w", sig.ErrKeyUnavailable, err)
		}
		k.keys.Add(keyID, cachedKey{err: err, at: k.now()})
		return sig.Key{}, err
	}
	if err := k.keep(ctx, actor, doc); err != nil {
		return sig.Key{}, err
	}
	k.keys.Add(keyID, cachedKey{key: key, at: k.now()})
	return key, nil
}

// Actor returns the actor document of that id, from the store if it is not
// older than a week, else from its origin. It fails with the errors of
// remote.Client.Actor, or ErrFetchLimit.
func (k *Keys) Actor(ctx context.Context, id string) (*activitypub.Actor, error) {
	rec, err := k.store.GetActor(ctx, id)
	if err == nil && k.now().Sub(rec.Fetched) <= actorMaxAge {
		if rec.Gone {
			return nil, fmt.Errorf("actor %q: %w", id, remote.ErrGone)
		}
		if actor, err := activitypub.ParseActor(rec.Document); err == nil {
			return actor, nil
		}
	}
	return k.Refresh(ctx, id)
}

// Refresh fetches the actor document from its origin whatever is cached.
func (k *Keys) Refresh(ctx context.Context, id string) (*activitypub.Actor, error) {
	v, err, _ := k.flight.Do("actor "+id, func() (any, error) {
		if !k.allow(id, false) {
			return nil, fmt.Errorf("actor %q: %w", id, ErrFetchLimit)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		actor, doc, err := k.remote.Actor(ctx, id)
		if err != nil {
			return nil, err
		}
		return actor, k.keep(ctx, actor, doc)
	})
	if err != nil {
		return nil, err
	}
	return v.(*activitypub.Actor), nil
}

func (k *Keys) keep(ctx context.Context, actor *activitypub.Actor, doc []byte) error {
	rec := ActorRecord(actor, doc, k.now())
	if err := k.store.PutActor(ctx, &rec); err != nil {
		return fmt.Errorf("keep actor %q: %w", actor.ID, err)
	}
	return nil
}

// ActorRecord makes the record of an actor document.
func ActorRecord(actor *activitypub.Actor, doc []byte, now time.Time) storage.Actor {
	rec := storage.Actor{ID: actor.ID, Handle: actor.Handle(), Name: actor.Name, Document: doc, Fetched: now}
	if iri, err := activitypub.ParseIRI(actor.ID); err == nil {
		rec.Host = iri.Host()
	}
	return rec
}

// allow takes one fetch from the share of the id's host.
func (k *Keys) allow(id string, stranger bool) bool {
	host := hostOf(id)
	if host == "" {
		return false
	}
	if stranger {
		return k.strangers.allow(server(host, true), k.now())
	}
	return k.hosts.allow(server(host, false), k.now())
}
