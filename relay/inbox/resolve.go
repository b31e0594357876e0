package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/storage"
)

// ResolverStore is what the resolver takes from and gives to.
type ResolverStore interface {
	ListUnresolved(ctx context.Context, due time.Time, limit int) ([]storage.Unresolved, error)
	RetryUnresolved(ctx context.Context, id int64, attempts int, next time.Time) error
	DropUnresolved(ctx context.Context, id int64) error
	Resolve(ctx context.Context, unresolvedID int64, e *storage.Entry) (bool, error)
}

// ObjectFetcher fetches an object from its origin.
type ObjectFetcher interface {
	Object(ctx context.Context, id string) (remote.Document, error)
}

// Bounds of the resolver.
const (
	resolveBatch    = 64
	resolveParallel = 16
	resolvePerHost  = 2 // of those, so that a host that hangs delays only itself
	resolveAttempts = 8 // with the back-off below: about 20 minutes
	resolveFirst    = 10 * time.Second
	resolveSlow     = time.Second      // a host that is busy and has not answered for that long hangs
	resolveAside    = 30 * time.Second // how long the entries of one that hangs step aside
	resolveIdle     = 2 * time.Second
)

// ResolverOptions are all that a Resolver needs.
type ResolverOptions struct {
	Store         ResolverStore
	Objects       ObjectFetcher
	Keys          *Keys
	Directory     Directory
	RelayUnlisted bool
	Appended      func()                                               // the journal grew
	Dropped       func(u storage.Unresolved, reason Reason, err error) // an Announce was given up
	Log           *slog.Logger
	Now           func() time.Time
}

// Resolver fetches the objects of accepted Announces from their origins and
// journals them. An Announce is durable before it is answered, so the fetch
// holds up nobody, and a crash repeats it.
type Resolver struct {
	o    ResolverOptions
	wake chan struct{}
	done chan resolved // of fetches that have ended

	// Only Run's own goroutine uses these.
	inflight map[int64]bool
	busy     map[string]load // by the object's host
}

// load is what a host is busy with.
type load struct {
	fetches int       // in flight
	moved   time.Time // when the last one began or ended
}

// resolved reports that one fetch has ended.
type resolved struct {
	id   int64
	host string
	err  error
}

// NewResolver returns a Resolver that has not started.
func NewResolver(o ResolverOptions) *Resolver {
	return &Resolver{
		o: o, wake: make(chan struct{}, 1), done: make(chan resolved, resolveParallel),
		inflight: map[int64]bool{}, busy: map[string]load{},
	}
}

// Wake tells that something new is to be resolved.
func (r *Resolver) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run resolves until the context ends, and then waits for what is in flight.
func (r *Resolver) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait() // done has room for every fetch, so none of them blocks
	tick := time.NewTicker(resolveIdle)
	defer tick.Stop()
	for {
		if err := r.launch(ctx, &wg); err != nil && ctx.Err() == nil {
			r.o.Log.ErrorContext(ctx, "resolve", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case d := <-r.done:
			delete(r.inflight, d.id)
			r.moved(d.host, -1)
			if d.err != nil && ctx.Err() == nil {
				r.o.Log.ErrorContext(ctx, "resolve", "error", d.err.Error())
			}
		case <-r.wake:
		case <-tick.C:
		}
	}
}

// launch starts what is due, as far as there is room. Where the entries of
// hosts that hang hide everything else they step aside for a while, so that the
// ones behind them come into view.
func (r *Resolver) launch(ctx context.Context, wg *sync.WaitGroup) error {
	for len(r.inflight) < resolveParallel && ctx.Err() == nil {
		list, err := r.o.Store.ListUnresolved(ctx, r.o.Now(), resolveBatch)
		if err != nil {
			return fmt.Errorf("list unresolved: %w", err)
		}
		if r.start(ctx, wg, list) > 0 {
			continue
		}
		if len(list) < resolveBatch {
			return nil
		}
		aside := 0
		for _, u := range list {
			if r.inflight[u.ID] || r.o.Now().Sub(r.busy[hostOf(u.ObjectID)].moved) < resolveSlow {
				continue
			}
			aside++
			if err := r.o.Store.RetryUnresolved(ctx, u.ID, u.Attempts, r.o.Now().Add(resolveAside)); err != nil {
				return fmt.Errorf("set aside %q: %w", u.ObjectID, err)
			}
		}
		if aside == 0 {
			return nil // they will move by themselves
		}
	}
	return nil
}

// moved notes that a fetch from a host began or ended.
func (r *Resolver) moved(host string, by int) {
	l := load{fetches: r.busy[host].fetches + by, moved: r.o.Now()}
	if l.fetches == 0 {
		delete(r.busy, host)
		return
	}
	r.busy[host] = l
}

// start starts what there is room for and returns how many.
func (r *Resolver) start(ctx context.Context, wg *sync.WaitGroup, list []storage.Unresolved) (started int) {
	for _, u := range list {
		host := hostOf(u.ObjectID)
		if r.inflight[u.ID] || r.busy[host].fetches >= resolvePerHost {
			continue
		}
		if len(r.inflight) >= resolveParallel {
			break
		}
		r.inflight[u.ID] = true
		r.moved(host, 1)
		started++
		wg.Go(func() { r.done <- resolved{id: u.ID, host: host, err: r.one(ctx, u)} })
	}
	return started
}

func hostOf(id string) string {
	iri, err := activitypub.ParseIRI(id)
	if err != nil {
		return ""
	}
	return iri.Host()
}

// errGiveUp marks what no repetition mends.
type errGiveUp struct {
	reason Reason
	err    error
}

func (e errGiveUp) Error() string { return string(e.reason) + ": " + e.err.Error() }
func (e errGiveUp) Unwrap() error { return e.err }

func (r *Resolver) one(ctx context.Context, u storage.Unresolved) error {
	entry, err := r.resolve(ctx, u)
	if err == nil {
		added, err := r.o.Store.Resolve(ctx, u.ID, entry)
		if err != nil {
			return fmt.Errorf("journal %q: %w", u.ObjectID, err)
		}
		if added {
			r.o.Appended()
		}
		return nil
	}
	if ctx.Err() != nil {
		return nil
	}
	var give errGiveUp
	if !errors.As(err, &give) && u.Attempts+1 < resolveAttempts {
		next := r.o.Now().Add(resolveFirst << u.Attempts)
		return r.o.Store.RetryUnresolved(ctx, u.ID, u.Attempts+1, next)
	}
	reason := ReasonKey
	if give.reason != "" {
		reason = give.reason
	}
	r.o.Log.InfoContext(ctx, "announce dropped", "object", u.ObjectID, "actor", u.Actor, "reason", string(reason), "error", err.Error())
	r.o.Dropped(u, reason, err)
	return r.o.Store.DropUnresolved(ctx, u.ID)
}

// permanent are the fetch errors that no repetition mends.
var permanent = []error{remote.ErrGone, remote.ErrNotFound, remote.ErrMismatch, remote.ErrContentType, remote.ErrTooLarge, remote.ErrForbiddenAddress}

// resolve fetches and judges the object: it must be public, a post, and its
// author must share its origin.
func (r *Resolver) resolve(ctx context.Context, u storage.Unresolved) (*storage.Entry, error) {
	iri, err := activitypub.ParseIRI(u.ObjectID)
	if err != nil {
		return nil, errGiveUp{ReasonField, err}
	}
	if r.o.Directory.Blocked(iri.Host()) {
		return nil, errGiveUp{ReasonObjectHost, errors.New("blocked")}
	}
	doc, err := r.o.Objects.Object(ctx, u.ObjectID)
	if err != nil {
		for _, p := range permanent {
			if errors.Is(err, p) {
				return nil, errGiveUp{ReasonUnknown, err}
			}
		}
		return nil, err
	}
	note, err := activitypub.ParseNote(doc.Body)
	if err != nil {
		return nil, errGiveUp{ReasonType, err}
	}
	if !notes[note.Type] {
		return nil, errGiveUp{ReasonType, fmt.Errorf("object is a %s", note.Type)}
	}
	if reason := audienceOf(note.To, note.Cc, r.o.RelayUnlisted); reason != ReasonRelayed {
		return nil, errGiveUp{reason, errors.New("object is not public")}
	}
	if !activitypub.SameOrigin(note.AttributedTo, note.ID) {
		return nil, errGiveUp{ReasonOrigin, fmt.Errorf("author %q of %q", note.AttributedTo, note.ID)}
	}
	if _, err := r.o.Keys.Actor(ctx, note.AttributedTo); err != nil {
		if errors.Is(err, remote.ErrGone) || errors.Is(err, remote.ErrNotFound) {
			return nil, errGiveUp{ReasonUnknown, err}
		}
		return nil, fmt.Errorf("author: %w", err)
	}
	return &storage.Entry{
		Received: u.Received, ActivityID: u.ActivityID, Type: "Announce", Actor: u.Actor,
		ObjectID: note.ID, ObjectKey: ObjectKey(note.ID), Via: u.Via, Origin: iri.Host(),
		Relay: true, Listen: true, Body: u.Body, Object: doc.Body, Evidence: u.Evidence,
	}, nil
}

// audienceOf judges an object's own addressing.
func audienceOf(to, cc []string, relayUnlisted bool) Reason {
	for _, a := range to {
		if activitypub.IsPublic(a) {
			return ReasonRelayed
		}
	}
	for _, a := range cc {
		if activitypub.IsPublic(a) {
			if relayUnlisted {
				return ReasonRelayed
			}
			return ReasonUnlisted
		}
	}
	return ReasonNotPublic
}
