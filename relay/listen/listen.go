// Package listen is the listening half of the node: a cursor of its own into
// the journal that normalises, classifies and stores what arrived, applies
// edits and deletions whoever is still reading, and tells the live readers.
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/classifier"
	"hark/storage"
)

// Journal is where entries come from, and where erased ones lose their bytes.
type Journal interface {
	Read(ctx context.Context, after int64, limit int) ([]storage.Entry, error)
	EraseObject(ctx context.Context, objectID string) (int64, error)
	EraseOwn(ctx context.Context, objectID, actor string) (int64, error)
	EraseActor(ctx context.Context, actor string) (int64, error)
}

// Archive is where posts go.
type Archive interface {
	ListenCursor(ctx context.Context) (int64, error)
	Apply(ctx context.Context, b storage.Batch) ([]storage.OpResult, error)
	GetActor(ctx context.Context, id string) (storage.Actor, error)
	Relabel(ctx context.Context, p *storage.Post) (bool, error)
}

// Actors finds actor documents, at their origin if need be.
type Actors interface {
	Actor(ctx context.Context, id string) (*activitypub.Actor, error)
}

// Observer is told what the listener did.
type Observer interface {
	Stored(n int)
	Labelled(label string)
	Reviewed(outcome string) // a post that the classifier was not sure of
	NotStored(e *storage.Entry, reason string)
	Erased(objectID, actor string) // the object, the actor's everything, or the object of that actor only
}

// Options are all that a Listener needs.
type Options struct {
	Journal       Journal
	Archive       Archive
	Actors        Actors
	Classifier    classifier.Classifier
	Mask          func(string) string // masks secrets in what is kept; nil: nothing is masked
	Rules         func(*storage.Post) // adds the labels of the operator's rules
	Reviewer      Reviewer            // second opinions; nil for none
	Reviewers     int                 // how many posts it is asked about at a time; 0 means 1
	Consent       Level
	RelayUnlisted bool
	Relay         string // id of the relay's actor
	Software      func(host string) string
	Blocked       func(host string) bool
	Objected      func(actor string) bool                                // the author blocked the relay
	Object        func(ctx context.Context, actor string, on bool) error // keeps or lifts that
	Hub           *Hub
	Observer      Observer
	Log           *slog.Logger
	Now           func() time.Time
}

// Bounds of the listener.
const (
	batchSize    = 250
	actorTimeout = 10 * time.Second
)

// Listener reads the journal. New it, Run it.
type Listener struct {
	o       Options
	wake    chan struct{}
	cursor  int64
	reviews *reviews
	doubts  map[*storage.Post]*doubt // of the batch
}

// New returns a Listener that stands where the archive says.
func New(ctx context.Context, o Options) (*Listener, error) {
	cursor, err := o.Archive.ListenCursor(ctx)
	if err != nil {
		return nil, fmt.Errorf("listener's cursor: %w", err)
	}
	l := &Listener{o: o, wake: make(chan struct{}, 1), cursor: cursor, doubts: map[*storage.Post]*doubt{}}
	l.reviews = &reviews{l: l, queue: make(chan doubt, reviewQueue)}
	return l, nil
}

// Appended tells that the journal grew.
func (l *Listener) Appended() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run listens until the context ends. A batch that cannot be stored is tried
// again, since its entries are a promise.
func (l *Listener) Run(ctx context.Context) {
	if l.o.Reviewer != nil {
		var wg sync.WaitGroup
		defer wg.Wait()
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		wg.Go(func() { l.reviews.run(ctx, l.o.Reviewers) })
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		n, err := l.round(ctx)
		if err != nil && ctx.Err() == nil {
			l.o.Log.ErrorContext(ctx, "listen", "cursor", l.cursor, "error", err.Error())
		}
		if err == nil && n == batchSize {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			if err == nil {
				continue
			}
			// The store fails: the tick sets the pace.
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		case <-tick.C:
		}
	}
}

func (l *Listener) round(ctx context.Context) (int, error) {
	entries, err := l.o.Journal.Read(ctx, l.cursor, batchSize)
	if err != nil {
		return 0, fmt.Errorf("read the journal: %w", err)
	}
	if len(entries) == 0 {
		return 0, nil
	}
	clear(l.doubts)
	batch := storage.Batch{Cursor: entries[len(entries)-1].Seq}
	counts := map[[2]string]int64{}
	for i := range entries {
		e := &entries[i]
		if !e.Listen || e.Erased {
			continue
		}
		day := e.Received.UTC().Format(time.DateOnly)
		ops, reason := l.plan(ctx, e)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		batch.Ops = append(batch.Ops, ops...)
		if reason != "" {
			counts[[2]string{day, reason}]++
			l.o.Observer.NotStored(e, reason)
		}
	}
	for key, n := range counts {
		batch.Counts = append(batch.Counts, storage.DayCount{Day: key[0], Reason: key[1], Count: n})
	}
	results, err := l.o.Archive.Apply(ctx, batch)
	if err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	l.after(batch.Ops, results)
	if err := l.erase(ctx, entries, batch.Ops, results); err != nil {
		// The archive is right; what remains in the journal is erased again
		// by its own retention at the latest.
		l.o.Log.ErrorContext(ctx, "erase from the journal", "error", err.Error())
	}
	l.cursor = batch.Cursor
	return len(entries), nil
}

// erase empties the journal's entries of what its author deleted, so that it
// does not reach those who still read it. Consent that was withdrawn is about
// being kept, not about being relayed, and changes nothing there.
func (l *Listener) erase(ctx context.Context, entries []storage.Entry, ops []storage.Op, results []storage.OpResult) error {
	applied := map[string]bool{}
	for i := range min(len(ops), len(results)) {
		if ops[i].Kind == storage.OpDelete && results[i].Applied {
			applied[ops[i].URI] = true
		}
	}
	var errs []error
	for i := range entries {
		e := &entries[i]
		if e.Type != "Delete" || !e.Listen {
			continue
		}
		var err error
		switch {
		case e.ObjectID == e.Actor:
			l.o.Observer.Erased("", e.Actor)
			_, err = l.o.Journal.EraseActor(ctx, e.Actor)
		case applied[e.ObjectID]:
			l.o.Observer.Erased(e.ObjectID, "")
			_, err = l.o.Journal.EraseObject(ctx, e.ObjectID)
		default:
			l.o.Observer.Erased(e.ObjectID, e.Actor)
			_, err = l.o.Journal.EraseOwn(ctx, e.ObjectID, e.Actor)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// after counts and tells the live readers.
func (l *Listener) after(ops []storage.Op, results []storage.OpResult) {
	stored := 0
	for i, op := range ops {
		if i >= len(results) {
			break
		}
		applied := results[i].Applied
		if op.Post != nil && len(results[i].IDs) > 0 {
			op.Post.ID = results[i].IDs[0] // an edited post keeps its id
		}
		switch op.Kind {
		case storage.OpPut:
			if applied {
				stored++
				l.labelled(op.Post)
				l.o.Hub.Publish(Event{Kind: EventPost, ID: op.Post.ID, Post: op.Post})
				l.doubtful(op.Post)
			}
		case storage.OpUpdate:
			if applied {
				l.o.Hub.Publish(Event{Kind: EventUpdate, ID: op.Post.ID, Post: op.Post})
				l.doubtful(op.Post)
			}
		case storage.OpDelete, storage.OpDeleteActor:
			l.deleted(results[i].IDs)
		}
	}
	l.o.Observer.Stored(stored)
}

// doubtful has a post that was stored reviewed, if its labels are in doubt.
func (l *Listener) doubtful(p *storage.Post) {
	if d := l.doubts[p]; d != nil {
		d.post = p
		l.reviews.offer(*d)
	}
}

func (l *Listener) deleted(ids []int64) {
	for _, id := range ids {
		l.o.Hub.Publish(Event{Kind: EventDelete, ID: id})
	}
}

func (l *Listener) labelled(p *storage.Post) {
	for _, lab := range p.Labels {
		if lab.Over {
			l.o.Observer.Labelled(lab.Name)
		}
	}
}

// plan turns an entry into operations; a reason is counted where nothing is
// stored.
func (l *Listener) plan(ctx context.Context, e *storage.Entry) ([]storage.Op, string) {
	if len(e.Object) > 0 {
		return l.planNote(ctx, e, e.Object, storage.OpPut)
	}
	env, err := activitypub.ParseEnvelope(e.Body)
	if err != nil {
		return nil, "unreadable"
	}
	switch e.Type {
	case "Create":
		return l.planNote(ctx, e, env.ObjectRaw, storage.OpPut)
	case "Update":
		if env.ObjectID == env.Actor {
			return l.planProfile(e, env)
		}
		return l.planNote(ctx, e, env.ObjectRaw, storage.OpUpdate)
	case "Delete":
		if env.ObjectID == env.Actor {
			return []storage.Op{{Kind: storage.OpDeleteActor, Actor: env.Actor}}, ""
		}
		return []storage.Op{{Kind: storage.OpDelete, URI: env.ObjectID, Actor: env.Actor}}, ""
	case "Block":
		// Blocking the relay is a no to being kept, until it is undone.
		if err := l.o.Object(ctx, env.Actor, true); err != nil {
			l.o.Log.ErrorContext(ctx, "keep an objection", "actor", env.Actor, "error", err.Error())
		}
		return []storage.Op{{Kind: storage.OpDeleteActor, Actor: env.Actor}}, "objected"
	case "Undo":
		if err := l.o.Object(ctx, env.Actor, false); err != nil {
			l.o.Log.ErrorContext(ctx, "lift an objection", "actor", env.Actor, "error", err.Error())
		}
	}
	return nil, ""
}

// planNote stores a new post or an edit, if its author's consent allows.
func (l *Listener) planNote(ctx context.Context, e *storage.Entry, object []byte, kind storage.OpKind) ([]storage.Op, string) {
	note, err := activitypub.ParseNote(object)
	if err != nil {
		return nil, "unreadable"
	}
	ascribe(note, e)
	remove := []storage.Op(nil)
	if kind == storage.OpUpdate {
		note.AttributedTo = e.Actor // an Update never changes an author
		remove = []storage.Op{{Kind: storage.OpDelete, URI: note.ID, Actor: note.AttributedTo}}
	}
	if !l.public(note) {
		return remove, "not-public"
	}
	p := postOf(note, e, nil, "")
	if l.o.Blocked(p.Host) {
		return remove, "blocked"
	}
	author, err := l.author(ctx, note.AttributedTo)
	if err != nil {
		return nil, "actor-unknown"
	}
	if l.o.Objected(author.ID) {
		return remove, "objected"
	}
	ok, rule := Consent(l.o.Consent, author)
	if !ok {
		return remove, rule
	}
	p = postOf(note, e, author, l.o.Software(p.Host))
	p.Consent = rule
	if kind == storage.OpUpdate && p.Edited.IsZero() {
		p.Edited = e.Received
	}
	if d := l.unsure(Judge(ctx, p, note.Language, l.o.Classifier, l.o.Mask, l.o.Rules)); d != nil {
		l.doubts[p] = d
	}
	return []storage.Op{{Kind: kind, Post: p}}, ""
}

// author finds the author's document: in the archive, else at its origin.
func (l *Listener) author(ctx context.Context, id string) (*activitypub.Actor, error) {
	ctx, cancel := context.WithTimeout(ctx, actorTimeout)
	defer cancel()
	a, err := l.o.Actors.Actor(ctx, id)
	if err != nil && !errors.Is(err, remote.ErrGone) {
		// A document that is older than it should be still tells of consent.
		rec, storeErr := l.o.Archive.GetActor(ctx, id)
		if storeErr != nil {
			return nil, err
		}
		return activitypub.ParseActor(rec.Document)
	}
	return a, err
}

// planProfile takes a new profile: a changed consent acts at once.
func (l *Listener) planProfile(e *storage.Entry, env *activitypub.Envelope) ([]storage.Op, string) {
	actor, err := activitypub.ParseActor(env.ObjectRaw)
	if err != nil || actor.ID != e.Actor {
		return nil, "unreadable"
	}
	rec := storage.Actor{ID: actor.ID, Handle: actor.Handle(), Name: actor.Name, Document: env.ObjectRaw, Fetched: e.Received}
	if iri, err := activitypub.ParseIRI(actor.ID); err == nil {
		rec.Host = iri.Host()
	}
	ops := []storage.Op{{Kind: storage.OpPutActor, Record: &rec}}
	if ok, rule := Consent(l.o.Consent, actor); !ok {
		return append([]storage.Op{{Kind: storage.OpDeleteActor, Actor: actor.ID}}, ops...), rule
	}
	return ops, ""
}

func (l *Listener) public(n *activitypub.Note) bool {
	for _, a := range n.To {
		if activitypub.IsPublic(a) {
			return true
		}
	}
	if l.o.RelayUnlisted {
		for _, a := range n.Cc {
			if activitypub.IsPublic(a) {
				return true
			}
		}
	}
	return false
}
