package load

import (
	"math"
	"sync/atomic"
	"time"
)

// tick is the resolution of the ledger, in which a cell of 32 bits holds
// longestRun.
const (
	tick       = 10 * time.Microsecond
	longestRun = 11 * time.Hour
)

// ledger says when which activity was accepted by the relay, and when it came
// to which subscriber first. Its cells are written once, by whoever sees the
// event, and read after the run.
type ledger struct {
	began      time.Time // of the clock; before everything that is recorded
	activities int
	posted     []atomic.Uint32 // by activity: when its post was sent
	accepted   []atomic.Uint32 // by activity: when its 202 came
	arrived    []atomic.Uint32 // by subscriber, then activity
	seen       atomic.Int64    // cells of arrived that are set
	repeated   atomic.Int64    // deliveries of what had arrived
	unknown    atomic.Int64    // deliveries of what nobody posted
}

func newLedger(subscribers, activities int) *ledger {
	return &ledger{
		began: time.Now(), activities: activities,
		posted: make([]atomic.Uint32, activities), accepted: make([]atomic.Uint32, activities),
		arrived: make([]atomic.Uint32, subscribers*activities),
	}
}

// now is the time as a cell holds it: never 0, which is never.
func (l *ledger) now() uint32 {
	return uint32(min(max(1, time.Since(l.began)/tick), math.MaxUint32))
}

// arrive records a delivery.
func (l *ledger) arrive(subscriber, activity int) {
	if l.arrived[subscriber*l.activities+activity].CompareAndSwap(0, l.now()) {
		l.seen.Add(1)
	} else {
		l.repeated.Add(1)
	}
}

// at is when an activity came to a subscriber; 0: never.
func (l *ledger) at(subscriber, activity int) uint32 {
	return l.arrived[subscriber*l.activities+activity].Load()
}

// between is the time from one cell's to another's, which may be negative.
func between(from, to uint32) time.Duration { return time.Duration(int64(to)-int64(from)) * tick }

// tally is what a ledger says about a group of subscribers.
type tally struct {
	owed, arrived, lost int64
	violations          int64     // edits that came before what they edit
	overtaken           int64     // posts that came after a later one of their publisher
	latency             histogram // from the 202 to the arrival
	last                uint32    // arrival; 0: none
}

// owes tells whether an activity is to reach a subscriber if it is accepted.
type owes func(subscriber, activity int) bool

// missing counts what is owed to a group of the activities from first to
// before end, and what of it has not arrived.
func (l *ledger) missing(group []int, first, end int, owed owes) (all, missing int64) {
	for _, s := range group {
		for i := first; i < end; i++ {
			if l.accepted[i].Load() == 0 || !owed(s, i) {
				continue
			}
			all++
			if l.at(s, i) == 0 {
				missing++
			}
		}
	}
	return all, missing
}

// count adds what became of the activities from first on at the subscribers of
// a group. What the relay did not accept is nobody's loss.
func (l *ledger) count(t *tally, group []int, first int, acts []activity, owed owes) {
	publishers := 0
	for i := range acts {
		publishers = max(publishers, acts[i].publisher+1)
	}
	newest := make([]uint32, publishers) // of a publisher's posts at this subscriber: latest arrival
	for _, s := range group {
		clear(newest)
		for i := first; i < l.activities; i++ {
			taken := l.accepted[i].Load()
			if taken == 0 || !owed(s, i) {
				continue
			}
			t.owed++
			at := l.at(s, i)
			if at == 0 {
				t.lost++
				continue
			}
			t.arrived++
			t.last = max(t.last, at)
			t.latency.add(between(taken, at))
			a := &acts[i]
			if a.edits >= 0 {
				if before := l.at(s, a.edits); before == 0 || before > at {
					t.violations++
				}
				continue
			}
			if at < newest[a.publisher] {
				t.overtaken++
			}
			newest[a.publisher] = max(newest[a.publisher], at)
		}
	}
}
