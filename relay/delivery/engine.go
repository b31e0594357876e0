package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/storage"
)

// Store is what the fan-out reads and writes.
type Store interface {
	Reader
	ListSubscribers(ctx context.Context, f storage.SubscriberFilter) ([]storage.Subscriber, error)
	GetSubscriber(ctx context.Context, actor string) (storage.Subscriber, error)
	PutSubscription(ctx context.Context, s *storage.Subscriber, controls []storage.Control) error
	SetSignatureForm(ctx context.Context, actor, form string) error
	SetSubscriberSoftware(ctx context.Context, actor, software, version string) error
	SetSubscriberState(ctx context.Context, actor string, from []storage.SubscriberState, to storage.SubscriberState) (bool, error)
	SaveProgress(ctx context.Context, p []storage.Progress) error
	ListControls(ctx context.Context, due time.Time, limit int) ([]storage.Control, error)
	RetryControl(ctx context.Context, id int64, attempts int, next time.Time) error
	DeleteControl(ctx context.Context, id int64) error
}

// Poster sends signed requests.
type Poster interface {
	Post(ctx context.Context, inbox string, body []byte, sign func(*http.Request, sig.Scheme) error) (remote.Response, error)
	PostOnce(ctx context.Context, inbox string, body []byte, sign func(*http.Request) error) (remote.Response, error)
	NodeInfo(ctx context.Context, base string) (software, version string, err error)
}

// Signer signs requests, bound to their host or for every inbox of a path.
type Signer interface {
	SignEd25519(r *http.Request, body []byte, now time.Time) error
	SignShared(path string, body []byte, now time.Time) (*sig.SharedSignature, error)
	SignAs(scheme sig.Scheme, r *http.Request, body []byte, now time.Time) error
}

// Author signs the relay's own activities; both methods return the document
// with its signature.
type Author interface {
	SignLD(doc []byte, now time.Time) ([]byte, error)
	Prove(doc []byte, now time.Time) ([]byte, error)
}

// Observer is told of every attempt; its methods return at once.
type Observer interface {
	Delivered(host string, form Form, took time.Duration)
	Failed(host string, status int)
	Skipped(host, reason string)
	Changed() // a subscriber's state changed
}

// Options are all that an Engine needs.
type Options struct {
	Store    Store
	Poster   Poster
	Signer   Signer
	Author   Author // nil leaves the relay's own activities unsigned
	Relay    activitypub.RelayActor
	Observer Observer
	// SharedSignatures lets subscribers whose software takes them have
	// signatures that leave the host open.
	SharedSignatures bool
	Timeout          time.Duration // of one request
	Window           int           // requests in flight to one subscriber
	Limit            int           // requests in flight in all, as long as they are answered quickly
	CatchUpRate      float64       // of a backlog, a second and subscriber; 0: 100
	RetryMin         time.Duration
	RetryMax         time.Duration
	GiveUpAfter      time.Duration
	Log              *slog.Logger
	Now              func() time.Time
	// Allows tells whether a subscriber's filter lets an entry pass; nil: all
	// pass. The workers call it, many at once; it does not block for long.
	Allows func(sub *storage.Subscriber, e *storage.Entry) bool
}

// Engine is the fan-out. New it, Run it; the other methods may be called from
// any goroutine while it runs.
type Engine struct {
	o      Options
	feed   *feed
	slots  chan struct{} // one for each request in flight that is not slow
	slow   chan struct{} // one for each that is
	reload chan struct{}
	ctrl   chan struct{}

	announces *lru.Cache[int64, []byte] // by sequence
	writing   singleflight.Group        // of announces
	shared    *signatures

	live atomic.Int64 // how many workers there are

	mu      sync.Mutex // guards workers and byHost
	workers map[string]*worker
	byHost  map[string]map[*worker]bool
	wg      sync.WaitGroup // every worker

	talkMu  sync.Mutex      // guards talking
	talking map[string]bool // subscribers that a control message is on its way to
	talks   sync.WaitGroup

	dirtyMu sync.Mutex // guards dirty
	dirty   map[string]storage.Progress
	flushC  chan struct{}
}

// New returns an Engine that has not started.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.CatchUpRate <= 0 {
		o.CatchUpRate = defaultCatchUp
	}
	_, head, err := o.Store.Bounds(ctx)
	if err != nil {
		return nil, fmt.Errorf("journal bounds: %w", err)
	}
	announces, err := lru.New[int64, []byte](recentEntries)
	if err != nil {
		return nil, fmt.Errorf("announce cache: %w", err)
	}
	shared, err := newSignatures(o.Signer, o.Now)
	if err != nil {
		return nil, err
	}
	return &Engine{
		o: o, shared: shared, feed: newFeed(o.Store, head), slots: make(chan struct{}, o.Limit), slow: make(chan struct{}, slowShare*o.Limit),
		reload: make(chan struct{}, 1), ctrl: make(chan struct{}, 1),
		announces: announces, workers: map[string]*worker{}, byHost: map[string]map[*worker]bool{}, talking: map[string]bool{},
		dirty: map[string]storage.Progress{}, flushC: make(chan struct{}, 1),
	}, nil
}

// Appended tells that the journal grew.
func (e *Engine) Appended() { e.feed.poke() }

// Reload tells that subscribers or control messages changed in the store.
func (e *Engine) Reload() {
	signal(e.reload)
	signal(e.ctrl)
}

// Erase drops the bytes of entries from memory, so that what was deleted is
// not sent to those who lag behind.
func (e *Engine) Erase(gone func(*storage.Entry) bool) {
	e.feed.forget(gone)
	e.announces.Purge()
}

// Heard tells that a verified request came from a host: whoever speaks is
// alive, so its back-off ends and a suspended subscriber resumes.
func (e *Engine) Heard(host string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.byHost[host] {
		signal(w.heard)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run fans out until the context ends, then waits for what is in flight and
// writes every cursor down.
func (e *Engine) Run(ctx context.Context) error {
	var own sync.WaitGroup
	flushCtx, stopFlush := context.WithCancel(context.WithoutCancel(ctx))
	flushed := make(chan struct{})
	go func() { // owned: Run waits for flushed
		defer close(flushed)
		e.flushLoop(flushCtx)
	}()
	own.Go(func() { e.controlLoop(ctx) })
	own.Go(func() { e.followLoop(ctx) })
	err := e.reloadLoop(ctx)
	own.Wait()
	e.talks.Wait()
	e.wg.Wait()
	stopFlush()
	<-flushed
	e.flush(context.WithoutCancel(ctx))
	return err
}

// followLoop keeps the feed at the journal's end.
func (e *Engine) followLoop(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := e.feed.pull(ctx); err != nil && ctx.Err() == nil {
			e.o.Log.ErrorContext(ctx, "fan-out", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-e.feed.wake:
		case <-tick.C: // another process may have appended
		}
	}
}

// reloadLoop keeps one worker for every subscriber that is fanned out to.
func (e *Engine) reloadLoop(ctx context.Context) error {
	for {
		started := time.Now()
		if err := e.sync(ctx); err != nil && ctx.Err() == nil {
			e.o.Log.ErrorContext(ctx, "read subscribers", "error", err.Error())
		}
		// Many changes that come close together are read together.
		timer := time.NewTimer(syncRest * time.Since(started))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		select {
		case <-ctx.Done():
			return nil
		case <-e.reload:
		}
	}
}

// syncRest is how many times as long as reading the subscribers took nothing
// is read again.
const syncRest = 4

// live are the states in which a subscriber has a worker.
var live = []storage.SubscriberState{storage.StateActive, storage.StateSuspended}

func (e *Engine) sync(ctx context.Context) error {
	// Read under the lock, so that nobody who was dropped meanwhile comes back.
	e.mu.Lock()
	defer e.mu.Unlock()
	subs, err := e.o.Store.ListSubscribers(ctx, storage.SubscriberFilter{States: live})
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(subs))
	for i := range subs {
		s := subs[i]
		seen[s.Actor] = true
		if w, ok := e.workers[s.Actor]; ok {
			w.update(s)
			continue
		}
		w := newWorker(e, s)
		e.workers[s.Actor] = w
		if e.byHost[s.Host] == nil {
			e.byHost[s.Host] = map[*worker]bool{}
		}
		e.byHost[s.Host][w] = true
		wctx, cancel := context.WithCancel(ctx)
		w.cancel = cancel
		e.wg.Go(func() {
			defer cancel()
			w.run(wctx)
		})
	}
	for actor, w := range e.workers {
		if !seen[actor] {
			e.drop(w)
		}
	}
	e.live.Store(int64(len(e.workers)))
	return nil
}

// Drop ends the fan-out to a subscriber that has left: when it returns nothing
// more is begun, and only what is on its way may still arrive.
func (e *Engine) Drop(actor string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w, ok := e.workers[actor]; ok {
		e.drop(w)
	}
}

// drop is called under mu.
func (e *Engine) drop(w *worker) {
	w.cancel()
	delete(e.workers, w.actor)
	if delete(e.byHost[w.host], w); len(e.byHost[w.host]) == 0 {
		delete(e.byHost, w.host)
	}
}

// progress queues a subscriber's cursor and health to be written.
func (e *Engine) progress(p storage.Progress) {
	e.dirtyMu.Lock()
	e.dirty[p.Actor] = p
	e.dirtyMu.Unlock()
	signal(e.flushC)
}

// flushEvery is the least time between two writes of cursors. It bounds what
// they cost, and not what a crash repeats: that is the window.
const flushEvery = 20 * time.Millisecond

// flushLoop writes cursors; what changed while
// one write was under way, or shortly after it, goes into the next.
func (e *Engine) flushLoop(ctx context.Context) {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.flushC:
		case <-again.C:
		}
		if !e.flush(ctx) {
			again.Reset(time.Second)
		}
		// What finishes meanwhile shares the next write.
		pause := time.NewTimer(flushEvery)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// flush writes what is dirty and tells the workers; false if it could not.
func (e *Engine) flush(ctx context.Context) bool {
	e.dirtyMu.Lock()
	batch := make([]storage.Progress, 0, len(e.dirty))
	for _, p := range e.dirty {
		batch = append(batch, p)
	}
	clear(e.dirty)
	e.dirtyMu.Unlock()
	if len(batch) == 0 {
		return true
	}
	if err := e.o.Store.SaveProgress(ctx, batch); err != nil {
		if !errors.Is(err, context.Canceled) {
			e.o.Log.ErrorContext(ctx, "write cursors", "error", err.Error())
		}
		e.dirtyMu.Lock()
		defer e.dirtyMu.Unlock()
		for _, p := range batch {
			if _, newer := e.dirty[p.Actor]; !newer {
				e.dirty[p.Actor] = p
			}
		}
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range batch {
		if w, ok := e.workers[p.Actor]; ok {
			w.keptAt(p)
		}
	}
	return true
}

// Lags returns how many entries each live subscriber is behind, by actor.
func (e *Engine) Lags() map[string]int64 {
	head, _ := e.feed.at()
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make(map[string]int64, len(e.workers))
	for actor, w := range e.workers {
		out[actor] = max(0, head-w.cursorNow())
	}
	return out
}

// announceName is the end of an Announce's id: the entry's number, and a digest of
// the object without which nobody can count through what was relayed. A repeated
// delivery has the same one, and is recognised as such.
func announceName(entry *storage.Entry) string {
	sum := sha256.Sum256([]byte(entry.ObjectID))
	return strconv.FormatInt(entry.Seq, 10) + "-" + hex.EncodeToString(sum[:16])
}

// Announced returns the Announce whose id ends in name, of an entry that is still
// in the journal, or storage.ErrNotFound.
func (e *Engine) Announced(ctx context.Context, name string) ([]byte, error) {
	number, _, _ := strings.Cut(name, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seq < 1 {
		return nil, storage.ErrNotFound
	}
	entries, err := e.o.Store.Read(ctx, seq-1, 1)
	if err != nil {
		return nil, fmt.Errorf("look up an announce: %w", err)
	}
	if len(entries) == 0 {
		return nil, storage.ErrNotFound
	}
	entry := &entries[0]
	if entry.Seq != seq || entry.Erased || !entry.Relay || entry.ObjectKey == "" || announceName(entry) != name {
		return nil, storage.ErrNotFound
	}
	return e.announce(entry)
}

// announce returns the Announce of an entry's object.
func (e *Engine) announce(entry *storage.Entry) ([]byte, error) {
	if body, ok := e.announces.Get(entry.Seq); ok {
		return body, nil
	}
	// Everybody gets the same bytes, and they are signed once.
	v, err, _ := e.writing.Do(strconv.FormatInt(entry.Seq, 10), func() (any, error) {
		if body, ok := e.announces.Get(entry.Seq); ok {
			return body, nil
		}
		return e.writeAnnounce(entry)
	})
	if err != nil {
		return nil, err
	}
	return v.([]byte), nil
}

func (e *Engine) writeAnnounce(entry *storage.Entry) ([]byte, error) {
	body, err := e.o.Relay.Announce(e.o.Relay.BaseURL+"/announces/"+announceName(entry), entry.ObjectID, entry.Received)
	if err != nil {
		return nil, fmt.Errorf("announce %q: %w", entry.ObjectID, err)
	}
	if e.o.Author != nil {
		body = e.own(body, e.o.Author.SignLD)
	}
	e.announces.Add(entry.Seq, body)
	return body, nil
}

// own signs an activity of the relay's own. Every receiver takes it on the
// request's signature as well, so one that cannot be signed goes as it is.
func (e *Engine) own(body []byte, sign func([]byte, time.Time) ([]byte, error)) []byte {
	signed, err := sign(body, e.o.Now())
	if err != nil {
		e.o.Log.Debug("own activity not signed", "error", err.Error())
		return body
	}
	return signed
}

// post sends one signed request within the limit of requests in flight.
func (e *Engine) post(ctx context.Context, inbox string, body []byte) (remote.Response, error) {
	return e.inSlot(ctx, func(ctx context.Context) (remote.Response, error) {
		return e.o.Poster.Post(ctx, inbox, body, func(r *http.Request, scheme sig.Scheme) error {
			return e.o.Signer.SignAs(scheme, r, body, e.o.Now())
		})
	})
}

// Send delivers one message outside every subscription, and returns the status
// of the answer.
func (e *Engine) Send(ctx context.Context, inbox string, body []byte) (int, error) {
	resp, err := e.post(ctx, inbox, body)
	return resp.Status, err
}
