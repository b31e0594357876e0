package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"hark/storage"
)

// Standing is how the fan-out to a subscriber stands, for the operator.
type Standing struct {
	storage.Subscriber
	Lag       int64         // entries that it is not done with
	Waiting   time.Duration // since the oldest of those arrived; 0 if there is none
	PerHour   int64         // activities taken, in the last ten to twenty minutes
	Rated     bool          // PerHour is known
	Signature string        // SignedShared or SignedHost
}

// How what is sent to a subscriber is signed, in words.
const (
	SignedShared = "shared"     // one signature for all inboxes of a path
	SignedHost   = "host-bound" // one for this inbox alone
)

// StandingStore is what standings are read from.
type StandingStore interface {
	Bounds(ctx context.Context) (tail, head int64, err error)
	ArrivalAfter(ctx context.Context, seq int64) (int64, time.Time, error)
	GetMeta(ctx context.Context, key string) (string, error)
}

// Standings tells how subscribers stand, in their order, by what the store has
// of them. shared tells whether the node shares signatures at all. It changes
// nothing, and works beside a running node as without one.
func Standings(ctx context.Context, store StandingStore, subs []storage.Subscriber, shared bool, now time.Time) ([]Standing, error) {
	_, head, err := store.Bounds(ctx)
	if err != nil {
		return nil, err
	}
	looks, err := readLooks(ctx, store)
	if err != nil {
		return nil, err
	}
	arrivals := map[int64]time.Duration{} // by cursor: most subscribers stand at the same few
	out := make([]Standing, 0, len(subs))
	for i := range subs {
		s := Standing{Subscriber: subs[i], Lag: max(0, head-subs[i].Cursor), Signature: SignedHost}
		if shared && s.SignatureForm != SignatureHost && sharers[s.Software] {
			s.Signature = SignedShared
		}
		if s.Lag > 0 {
			waiting, known := arrivals[s.Cursor]
			if !known {
				_, arrived, err := store.ArrivalAfter(ctx, s.Cursor)
				if err != nil && !errors.Is(err, storage.ErrNotFound) {
					return nil, err
				}
				if err == nil {
					waiting = max(0, now.Sub(arrived))
				}
				arrivals[s.Cursor] = waiting
			}
			s.Waiting = waiting
		}
		s.PerHour, s.Rated = looks.rate(&s.Subscriber, now)
		out = append(out, s)
	}
	return out, nil
}

// look is what subscribers had taken in all at a time, by actor.
type look struct {
	At        time.Time        `json:"at"`
	Delivered map[string]int64 `json:"delivered"`
}

// looks are the last two, the older first.
type looks []look

const (
	metaLooks = "delivery-looks"
	// lookEvery is the age at which a look is followed by another.
	lookEvery = 10 * time.Minute
	// lookAfter and lookFor bound the age of a look that a rate is counted from.
	lookAfter = 10 * time.Second
	lookFor   = time.Hour
)

// rate is what a subscriber takes in an hour, counted from the oldest look that
// still says something about now.
func (l looks) rate(s *storage.Subscriber, now time.Time) (perHour int64, known bool) {
	for i := range l {
		age := now.Sub(l[i].At)
		before, there := l[i].Delivered[s.Actor]
		if there && age >= lookAfter && age <= lookFor && s.Health.Delivered >= before {
			return int64(math.Round(float64(s.Health.Delivered-before) / age.Hours())), true
		}
	}
	return 0, false
}

func readLooks(ctx context.Context, store interface {
	GetMeta(ctx context.Context, key string) (string, error)
}) (looks, error) {
	text, err := store.GetMeta(ctx, metaLooks)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was delivered before: %w", err)
	}
	var l looks
	if json.Unmarshal([]byte(text), &l) != nil {
		return nil, nil // of another version; the next look replaces it
	}
	return l, nil
}

// LookStore is where looks are kept.
type LookStore interface {
	GetMeta(ctx context.Context, key string) (string, error)
	PutMeta(ctx context.Context, key, value string) error
}

// Look notes what the subscribers have taken by now, if the last look is ten
// minutes old, so that a rate can be told from it later. A running node calls
// it now and then.
func Look(ctx context.Context, store LookStore, subs []storage.Subscriber, now time.Time) error {
	l, err := readLooks(ctx, store)
	if err != nil {
		return err
	}
	if n := len(l); n > 0 {
		if age := now.Sub(l[n-1].At); age >= 0 && age < lookEvery {
			return nil
		}
		l = l[n-1:]
	}
	next := look{At: now.UTC().Truncate(time.Second), Delivered: make(map[string]int64, len(subs))}
	for i := range subs {
		if s := &subs[i]; s.State == storage.StateActive || s.State == storage.StateSuspended {
			next.Delivered[s.Actor] = s.Health.Delivered
		}
	}
	text, err := json.Marshal(append(l, next))
	if err != nil {
		return fmt.Errorf("note what was delivered: %w", err)
	}
	return store.PutMeta(ctx, metaLooks, string(text))
}
