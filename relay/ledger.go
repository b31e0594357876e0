package relay

import (
	"context"
	"time"

	"hark/relay/inbox"
	"hark/storage"
)

// Bounds of the ledger. A flood of refusals must become neither a flood of
// writes nor of memory.
const (
	ledgerRoom  = 1_024
	ledgerBatch = 256
	ledgerEvery = 250 * time.Millisecond
	// ledgerRate is how many alike (a host, a reason) are written a second.
	ledgerRate = 20
)

// ledger writes down why deliveries were refused or dropped, so that `hark
// explain` can say it. It never holds up who decides: what it has no room for
// it counts and lets go.
type ledger struct {
	store interface {
		AddDecisions(ctx context.Context, decisions []storage.Decision) error
	}
	in     chan storage.Decision
	lost   func(n int)
	failed func(error)
}

func newLedger(n *Node) *ledger {
	return &ledger{
		store: n.store, in: make(chan storage.Decision, ledgerRoom),
		lost:   func(k int) { n.metrics.undecided.Add(float64(k)) },
		failed: func(err error) { n.o.Log.Error("write decisions", "error", err.Error()) },
	}
}

// silent are the outcomes that need no explaining: what was taken is in the
// journal, and floods of repetitions and farewells say nothing.
var silent = map[inbox.Reason]bool{
	inbox.ReasonRelayed: true, inbox.ReasonKept: true, inbox.ReasonResolving: true, inbox.ReasonSubscribed: true,
	inbox.ReasonUnsubscribed: true, inbox.ReasonAnswered: true, inbox.ReasonDuplicate: true, inbox.ReasonGoneActor: true,
}

// note takes a decision, or loses it.
func (l *ledger) note(d storage.Decision) {
	if silent[inbox.Reason(d.Reason)] {
		return
	}
	select {
	case l.in <- d:
	default:
		l.lost(1)
	}
}

// run writes until the context ends, and then what is left.
func (l *ledger) run(ctx context.Context) {
	tick := time.NewTicker(ledgerEvery)
	defer tick.Stop()
	var batch []storage.Decision
	alike, second := map[[2]string]int{}, time.Now()
	take := func(d storage.Decision) {
		key := [2]string{d.Via, d.Reason}
		if alike[key]++; alike[key] > ledgerRate {
			l.lost(1)
			return
		}
		batch = append(batch, d)
	}
	write := func(ctx context.Context) {
		if err := l.store.AddDecisions(ctx, batch); err != nil {
			l.lost(len(batch))
			l.failed(err)
		}
		batch = batch[:0]
		if now := time.Now(); now.Sub(second) >= time.Second {
			alike, second = map[[2]string]int{}, now
		}
	}
	for {
		select {
		case <-ctx.Done():
			for {
				select {
				case d := <-l.in:
					take(d)
					continue
				default:
				}
				break
			}
			write(context.WithoutCancel(ctx))
			return
		case d := <-l.in:
			if take(d); len(batch) >= ledgerBatch {
				write(ctx)
			}
		case <-tick.C:
			write(ctx)
		}
	}
}

// dropped notes an Announce whose object is not relayed.
func (n *Node) dropped(u storage.Unresolved, r inbox.Reason, err error) {
	n.metrics.dropped.WithLabelValues(string(r)).Inc()
	n.ledger.note(storage.Decision{
		At: n.o.Now(), ActivityID: u.ActivityID, ObjectID: u.ObjectID, Actor: u.Actor, Type: "Announce", Via: u.Via,
		Stage: storage.StageResolve, Reason: string(r), Detail: inbox.Brief(err),
	})
}
