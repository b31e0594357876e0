package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"hark/activitypub/remote"
	"hark/storage"
)

// worker delivers to one subscriber. All but sub and cursor belong to its one
// goroutine; the requests in flight report back over results.
type worker struct {
	e      *Engine
	actor  string // both never change
	host   string
	cancel context.CancelFunc
	heard  chan struct{}
	poke   chan struct{} // the subscriber's record changed

	mu     sync.Mutex // guards the next three
	sub    storage.Subscriber
	cursor int64
	moved  bool // an operator set the cursor; the rest does not know yet

	next     int64 // sequence of the last entry looked at
	inflight map[int64]*storage.Entry
	retry    []storage.Entry // failed, in order; they go first
	finished map[int64]bool  // done ahead of the cursor
	results  chan result
	unsaved  []int64 // delivered, but the cursor in the store may not say so yet; ascending
	pace     pace
	shut     int           // 403s in a row
	catchUp  *rate.Limiter // for what is old already when it is sent

	saved atomic.Int64 // the cursor as the store has it
}

type result struct {
	entry *storage.Entry
	form  Form
	resp  remote.Response
	host  bool // only a signature bound to its host was taken
	err   error
}

func newWorker(e *Engine, s storage.Subscriber) *worker {
	w := &worker{
		e: e, actor: s.Actor, host: s.Host, heard: make(chan struct{}, 1), poke: make(chan struct{}, 1),
		sub: s, cursor: s.Cursor, next: s.Cursor,
		inflight: map[int64]*storage.Entry{}, finished: map[int64]bool{},
		results: make(chan result, e.o.Window), pace: newPace(e.o.Window),
		catchUp: rate.NewLimiter(rate.Limit(e.o.CatchUpRate), max(1, int(e.o.CatchUpRate))),
	}
	w.saved.Store(s.Cursor)
	return w
}

// keptAt tells that the store has the cursor.
func (w *worker) keptAt(p storage.Progress) {
	w.mu.Lock()
	current := p.Rewinds == w.sub.Rewinds
	w.mu.Unlock()
	if current {
		w.saved.Store(p.Cursor)
	}
	signal(w.poke)
}

// shutAfter is how many 403 in a row concern one activity each.
const shutAfter = 5

// room tells whether one more request may start. What has been delivered
// counts until the store knows, so that after a crash no more than a window is
// sent again.
func (w *worker) room() bool {
	saved := w.saved.Load()
	for len(w.unsaved) > 0 && w.unsaved[0] <= saved {
		w.unsaved = w.unsaved[1:]
	}
	return len(w.inflight) < w.pace.window && len(w.inflight)+len(w.unsaved) < w.e.o.Window
}

// update takes a newer record; cursor and health stay the worker's own, unless
// an operator set the cursor.
func (w *worker) update(s storage.Subscriber) {
	w.mu.Lock()
	health := w.sub.Health
	if s.Rewinds > w.sub.Rewinds {
		w.cursor, w.moved = s.Cursor, true
	}
	w.sub = s
	w.sub.Health = health
	w.mu.Unlock()
	signal(w.poke)
}

func (w *worker) snapshot() storage.Subscriber {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sub
}

func (w *worker) cursorNow() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cursor
}

// rewound starts over from the cursor if an operator set it. What is in flight
// is waited for, and sent again in its turn.
func (w *worker) rewound() {
	w.mu.Lock()
	moved, cursor := w.moved, w.cursor
	w.moved = false
	w.mu.Unlock()
	if !moved {
		return
	}
	w.next, w.retry, w.unsaved = cursor, nil, nil
	clear(w.finished)
	w.saved.Store(cursor)
}

// health changes the health under the lock and queues it to be written.
func (w *worker) health(change func(*storage.Health)) {
	w.mu.Lock()
	change(&w.sub.Health)
	p := storage.Progress{Actor: w.actor, Cursor: w.cursor, Rewinds: w.sub.Rewinds, Health: w.sub.Health}
	w.mu.Unlock()
	w.e.progress(p)
}

func (w *worker) run(ctx context.Context) {
	for {
		var wait <-chan time.Time
		var timer *time.Timer
		w.rewound()
		sub := w.snapshot()
		head, changed := w.e.feed.at()
		now := w.e.o.Now()
		switch {
		case ctx.Err() != nil || sub.State == storage.StateSuspended:
			// Only wait: for what is in flight, or to be heard of.
		case now.Before(sub.Health.RetryAt):
			timer = time.NewTimer(sub.Health.RetryAt.Sub(now))
			wait = timer.C
		default:
			later, err := w.launch(ctx, &sub, head)
			if err != nil && ctx.Err() == nil {
				w.e.o.Log.ErrorContext(ctx, "fan-out", "subscriber", sub.Actor, "error", err.Error())
				later = time.Second
			}
			if later > 0 {
				timer = time.NewTimer(later)
				wait = timer.C
			}
		}
		if ctx.Err() != nil && len(w.inflight) == 0 {
			if timer != nil {
				timer.Stop()
			}
			return
		}
		done := ctx.Done()
		if ctx.Err() != nil {
			done = nil // only the results are waited for now
		}
		select {
		case <-done:
		case r := <-w.results:
			w.finish(ctx, r)
		case <-changed:
		case <-wait:
		case <-w.heard:
			w.revive(ctx)
		case <-w.poke:
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// launch starts requests until the window is full or nothing is left. later is
// how long to wait before more may start, 0 if something else will tell.
func (w *worker) launch(ctx context.Context, sub *storage.Subscriber, head int64) (later time.Duration, err error) {
	if len(w.inflight) == 0 {
		w.pace.rested(w.e.o.Now())
	}
	for len(w.retry) > 0 && w.room() && ctx.Err() == nil {
		if w.conflicts(&w.retry[0]) {
			return 0, nil
		}
		entry := w.retry[0]
		w.retry = w.retry[1:]
		w.start(ctx, sub, entry)
	}
	for len(w.retry) == 0 && w.room() && w.next < head && ctx.Err() == nil {
		entries, err := w.e.feed.after(ctx, w.next)
		if err != nil {
			return 0, err
		}
		if len(entries) == 0 {
			return 0, nil
		}
		w.gap(ctx, entries[0].Seq)
		for i := range entries {
			if !w.room() || w.conflicts(&entries[i]) {
				return 0, nil
			}
			if later := w.tooFast(&entries[i]); later > 0 {
				return later, nil
			}
			w.next = entries[i].Seq
			w.start(ctx, sub, entries[i])
		}
	}
	return 0, nil
}

// tooFast bounds the rate at which a backlog is sent: a subscriber that comes
// back after an outage is not drowned, nor does it crowd out the others.
func (w *worker) tooFast(e *storage.Entry) time.Duration {
	now := w.e.o.Now()
	if now.Sub(e.Received) < oldAfter {
		return 0
	}
	r := w.catchUp.ReserveN(now, 1)
	later := r.DelayFrom(now)
	if later > 0 {
		r.CancelAt(now)
	}
	return later
}

// gap counts the entries that the journal no longer holds.
func (w *worker) gap(ctx context.Context, first int64) {
	missing := first - w.next - 1
	if missing <= 0 {
		return
	}
	tail, _, err := w.e.o.Store.Bounds(ctx)
	if err != nil || first > tail {
		return // a hole in the sequence, not a trimmed part
	}
	w.e.o.Log.WarnContext(ctx, "gap", "subscriber", w.actor, "missing", missing)
	w.next = first - 1
	w.health(func(h *storage.Health) { h.Gaps += missing })
}

// conflicts tells whether an entry must wait for one in flight: what concerns
// the same object goes one after the other, and what concerns a whole actor
// waits for everything of that actor.
func (w *worker) conflicts(e *storage.Entry) bool {
	for _, f := range w.inflight {
		if f.Seq == e.Seq || e.ObjectID != "" && f.ObjectID == e.ObjectID {
			return true
		}
		if f.Actor == e.Actor && (e.ObjectID == e.Actor || f.ObjectID == f.Actor) {
			return true
		}
	}
	return false
}

func (w *worker) start(ctx context.Context, sub *storage.Subscriber, entry storage.Entry) {
	form, reason := FormFor(&entry, sub, w.e.o.Now())
	if allows := w.e.o.Allows; allows != nil && (form == FormForward || form == FormAnnounce) && !allows(sub, &entry) {
		form, reason = FormPass, "its filter does not match"
	}
	switch form {
	case FormSkip:
		w.e.o.Observer.Skipped(sub.Host, reason)
		fallthrough
	case FormPass:
		w.done(entry.Seq)
		return
	}
	body := entry.Body
	if form == FormAnnounce {
		var err error
		if body, err = w.e.announce(&entry); err != nil {
			w.skip(ctx, &entry, err.Error())
			return
		}
	}
	w.inflight[entry.Seq] = &entry
	to := *sub
	w.e.wg.Go(func() {
		resp, host, err := w.e.deliver(ctx, &to, body)
		w.results <- result{entry: &entry, form: form, resp: resp, host: host, err: err}
	})
}

// done moves the cursor over everything that is finished without a hole.
func (w *worker) done(seq int64) {
	w.finished[seq] = true
	low := w.next
	for s := range w.inflight {
		low = min(low, s-1)
	}
	for i := range w.retry {
		low = min(low, w.retry[i].Seq-1)
	}
	w.mu.Lock()
	moved := low > w.cursor && !w.moved // else it starts over from there first
	if moved {
		w.cursor = low
	}
	p := storage.Progress{Actor: w.actor, Cursor: w.cursor, Rewinds: w.sub.Rewinds, Health: w.sub.Health}
	w.mu.Unlock()
	if !moved {
		return
	}
	for s := range w.finished {
		if s <= low {
			delete(w.finished, s)
		}
	}
	w.e.progress(p)
}

func (w *worker) skip(ctx context.Context, entry *storage.Entry, reason string) {
	w.e.o.Log.InfoContext(ctx, "delivery skipped", "subscriber", w.actor, "activity", entry.ActivityID, "reason", reason)
	w.e.o.Observer.Skipped(w.host, "refused")
	w.health(func(h *storage.Health) { h.Skipped++; h.LastSkip = reason })
	w.done(entry.Seq)
}

func (w *worker) finish(ctx context.Context, r result) {
	delete(w.inflight, r.entry.Seq)
	now := w.e.o.Now()
	if r.err != nil {
		if ctx.Err() != nil && errors.Is(r.err, context.Canceled) {
			w.again(*r.entry)
			return
		}
		w.e.o.Observer.Failed(w.host, 0)
		w.failed(ctx, r, r.err.Error())
		return
	}
	if r.host {
		w.bind(ctx)
	}
	switch judge(r.resp.Status) {
	case verdictTaken:
		w.e.o.Observer.Delivered(w.host, r.form, r.resp.Took)
		w.shut = 0
		w.pace.good(now, r.resp.Took, len(w.inflight)+1, int(w.e.live.Load()))
		w.unsaved = append(w.unsaved, 0)
		at, _ := slices.BinarySearch(w.unsaved[:len(w.unsaved)-1], r.entry.Seq)
		copy(w.unsaved[at+1:], w.unsaved[at:])
		w.unsaved[at] = r.entry.Seq
		w.health(func(h *storage.Health) {
			h.LastSuccess, h.Delivered = now, h.Delivered+1
			h.Failures, h.FailingSince, h.RetryAt = 0, time.Time{}, time.Time{}
		})
		w.done(r.entry.Seq)
	case verdictShut:
		w.e.o.Observer.Failed(w.host, r.resp.Status)
		// A server that refuses one activity after the other refuses us: what
		// it would have got is kept for it, and the operator sees why.
		if w.shut++; w.shut > shutAfter {
			w.failed(ctx, r, fmt.Sprintf("it refuses everything: %d %s", r.resp.Status, r.resp.Body))
			return
		}
		w.skip(ctx, r.entry, fmt.Sprintf("%d %s", r.resp.Status, r.resp.Body))
	case verdictSkip:
		w.e.o.Observer.Failed(w.host, r.resp.Status)
		w.skip(ctx, r.entry, fmt.Sprintf("%d %s", r.resp.Status, r.resp.Body))
	case verdictGone:
		w.e.o.Observer.Failed(w.host, r.resp.Status)
		w.again(*r.entry)
		w.setState(ctx, live, storage.StateLeft, "answered 410 Gone")
	default:
		w.e.o.Observer.Failed(w.host, r.resp.Status)
		w.failed(ctx, r, fmt.Sprintf("%d %s", r.resp.Status, r.resp.Body))
	}
}

// bind remembers that the subscriber takes only signatures bound to its host.
func (w *worker) bind(ctx context.Context) {
	w.mu.Lock()
	known := w.sub.SignatureForm == SignatureHost
	w.sub.SignatureForm = SignatureHost
	w.mu.Unlock()
	if known {
		return
	}
	w.e.o.Log.InfoContext(ctx, "subscriber refuses shared signatures", "subscriber", w.actor)
	if err := w.e.o.Store.SetSignatureForm(context.WithoutCancel(ctx), w.actor, SignatureHost); err != nil {
		w.e.o.Log.ErrorContext(ctx, "keep the signature form", "subscriber", w.actor, "error", err.Error())
	}
}

// again puts an entry back, in order.
func (w *worker) again(entry storage.Entry) {
	i := 0
	for i < len(w.retry) && w.retry[i].Seq < entry.Seq {
		i++
	}
	w.retry = append(w.retry, storage.Entry{})
	copy(w.retry[i+1:], w.retry[i:])
	w.retry[i] = entry
}

// failed backs the subscriber off as a whole; a long series suspends it.
func (w *worker) failed(ctx context.Context, r result, reason string) {
	w.again(*r.entry)
	w.pace.bad()
	now := w.e.o.Now()
	var health storage.Health
	w.health(func(h *storage.Health) {
		if h.FailingSince.IsZero() {
			h.FailingSince = now
		}
		// The requests of one window fail together: they are one failure.
		if !now.Before(h.RetryAt) {
			h.Failures++
			h.RetryAt = now.Add(backoff(h.Failures, w.e.o.RetryMin, w.e.o.RetryMax, r.resp))
		}
		h.LastError, h.LastErrorAt = reason, now
		health = *h
	})
	w.e.o.Log.InfoContext(ctx, "delivery failed", "subscriber", w.actor, "activity", r.entry.ActivityID,
		"failures", health.Failures, "retry_at", health.RetryAt, "error", reason)
	if now.Sub(health.FailingSince) >= w.e.o.GiveUpAfter {
		w.setState(ctx, []storage.SubscriberState{storage.StateActive}, storage.StateSuspended, "failing since "+health.FailingSince.Format(time.RFC3339))
	}
}

// reviveAfter is how long after a failure a sign of life cuts the wait short.
const reviveAfter = time.Minute

// revive ends the back-off of a subscriber that was heard of.
func (w *worker) revive(ctx context.Context) {
	sub := w.snapshot()
	if sub.State == storage.StateSuspended {
		w.setState(ctx, []storage.SubscriberState{storage.StateSuspended}, storage.StateActive, "heard of again")
	}
	if sub.Health.FailingSince.IsZero() {
		return
	}
	now := w.e.o.Now()
	w.health(func(h *storage.Health) {
		h.LastActivity = now
		// A host that talks while its inbox fails must not be hammered: the
		// wait is cut short once a minute, not cancelled.
		if soon := now.Add(w.e.o.RetryMin); h.RetryAt.After(soon) && now.Sub(h.LastErrorAt) >= reviveAfter {
			h.RetryAt = soon
		}
		if sub.State == storage.StateSuspended {
			h.FailingSince, h.Failures = now, 0
		}
	})
}

func (w *worker) setState(ctx context.Context, from []storage.SubscriberState, to storage.SubscriberState, why string) {
	ctx = context.WithoutCancel(ctx)
	changed, err := w.e.o.Store.SetSubscriberState(ctx, w.actor, from, to)
	if err != nil {
		w.e.o.Log.ErrorContext(ctx, "set state", "subscriber", w.actor, "error", err.Error())
		return
	}
	if !changed {
		return
	}
	w.mu.Lock()
	w.sub.State = to
	w.mu.Unlock()
	w.e.o.Log.WarnContext(ctx, "subscriber "+string(to), "subscriber", w.actor, "why", why)
	w.e.o.Observer.Changed()
	w.e.Reload()
}
