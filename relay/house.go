package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hark/relay/delivery"
	"hark/storage"
)

// Paces of the node's housekeeping.
const (
	watchEvery  = 500 * time.Millisecond // looks for changes by another process
	aliveEvery  = 30 * time.Second       // also: bytes of what was deleted are gone by then
	tidyEvery   = 10 * time.Minute
	tidyBatch   = 2_000
	outageAfter = time.Hour      // longer than that away: subscribers are greeted
	askEvery    = 24 * time.Hour // what subscribers run
)

// changed tells that subscribers or rules changed in the store.
func (n *Node) changed() {
	select {
	case n.reload <- struct{}{}:
	default:
	}
}

// watch brings changes of subscribers and rules to every part, those of the
// command line too, which is a process of its own.
func (n *Node) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var version int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.reload:
		case <-tick.C:
			v, err := n.store.DataVersion(ctx)
			if err != nil || v == version {
				continue
			}
			version = v
		}
		started := time.Now()
		if err := n.dir.reload(ctx); err != nil {
			if ctx.Err() == nil {
				n.o.Log.Error("reload", "error", err.Error())
			}
			continue
		}
		n.engine.Reload()
		// With thousands of subscribers a reload takes long, and many that join
		// at once ask for many: what comes meanwhile is read together.
		rest(ctx, reloadRest*time.Since(started))
	}
}

// reloadRest is how many times as long as a reload took the next one waits.
const reloadRest = 4

// rest waits, or until the context ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// keepHouse trims the journal, expires posts and notes that the node is alive.
func (n *Node) keepHouse(ctx context.Context) {
	alive, tidy := time.NewTicker(aliveEvery), time.NewTicker(tidyEvery)
	defer alive.Stop()
	defer tidy.Stop()
	if err := errors.Join(n.tidy(ctx), n.gauges(ctx)); err != nil && ctx.Err() == nil {
		n.o.Log.Error("tidy", "error", err.Error())
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			if err := n.alive(context.WithoutCancel(ctx)); err != nil {
				n.o.Log.Error("note the time", "error", err.Error())
			}
			return
		case <-alive.C:
			err = errors.Join(n.alive(ctx), n.gauges(ctx))
			if n.erased.Swap(false) {
				err = errors.Join(err, n.store.Checkpoint(ctx))
			}
		case <-tidy.C:
			err = errors.Join(n.tidy(ctx), n.askSoftware(ctx))
		}
		if err != nil && ctx.Err() == nil {
			n.o.Log.Error("tidy", "error", err.Error())
		}
	}
}

func (n *Node) alive(ctx context.Context) error {
	return n.store.PutMeta(ctx, "alive", n.o.Now().UTC().Format(time.RFC3339))
}

// gauges refreshes the figures that are read rather than counted.
func (n *Node) gauges(ctx context.Context) error {
	subs, err := n.store.ListSubscribers(ctx, storage.SubscriberFilter{})
	if err != nil {
		return err
	}
	n.metrics.subs.Reset()
	var gaps int64
	for _, s := range subs {
		n.metrics.subs.WithLabelValues(string(s.State)).Inc()
		gaps += s.Health.Gaps
	}
	n.metrics.gaps.Set(float64(gaps))
	var slowest int64
	for _, lag := range n.engine.Lags() {
		slowest = max(slowest, lag)
	}
	n.metrics.lag.Set(float64(slowest))
	return errors.Join(n.lagGauges(ctx, subs), delivery.Look(ctx, n.store, subs, n.o.Now()))
}

// lagGauges tells how far the most behind subscriber of each state is behind.
func (n *Node) lagGauges(ctx context.Context, subs []storage.Subscriber) error {
	served := slices.DeleteFunc(slices.Clone(subs), func(s storage.Subscriber) bool {
		return s.State != storage.StateActive && s.State != storage.StateSuspended
	})
	standings, err := delivery.Standings(ctx, n.store, served, !n.o.HostBound, n.o.Now())
	if err != nil {
		return err
	}
	for _, state := range []storage.SubscriberState{storage.StateActive, storage.StateSuspended} {
		var entries, seconds float64
		for i := range standings {
			if standings[i].State == state {
				entries = max(entries, float64(standings[i].Lag))
				seconds = max(seconds, standings[i].Waiting.Seconds())
			}
		}
		n.metrics.behind.WithLabelValues(string(state)).Set(entries)
		n.metrics.waiting.WithLabelValues(string(state)).Set(seconds)
	}
	return nil
}

// tidy drops what every live reader has passed or what is older than the
// retention, and posts past theirs.
func (n *Node) tidy(ctx context.Context) error {
	now := n.o.Now()
	_, head, err := n.store.Bounds(ctx)
	if err != nil {
		return fmt.Errorf("journal bounds: %w", err)
	}
	listened, err := n.store.ListenCursor(ctx)
	if err != nil {
		return fmt.Errorf("listener's cursor: %w", err)
	}
	passed := min(head, listened)
	subs, err := n.store.ListSubscribers(ctx, storage.SubscriberFilter{States: []storage.SubscriberState{storage.StateActive}})
	if err != nil {
		return fmt.Errorf("read subscribers: %w", err)
	}
	for _, s := range subs {
		passed = min(passed, s.Cursor)
	}
	// What everybody has passed is kept an hour more: it costs little, and
	// an operator may want to send it again.
	if err := n.trim(ctx, now.Add(-time.Hour), passed); err != nil {
		return err
	}
	if err := n.trim(ctx, now.Add(-n.o.JournalRetention), listened); err != nil {
		return err
	}
	if err := n.store.ExpireDecisions(ctx, now.Add(-n.o.JournalRetention)); err != nil {
		return err
	}
	if n.o.Retention > 0 {
		for {
			gone, err := n.store.Expire(ctx, now.Add(-n.o.Retention), tidyBatch)
			if err != nil {
				return fmt.Errorf("expire posts: %w", err)
			}
			if gone < tidyBatch {
				break
			}
		}
	}
	return n.store.Checkpoint(ctx)
}

// askSoftware asks the subscribers once a day what they run.
func (n *Node) askSoftware(ctx context.Context) error {
	s, err := n.store.GetMeta(ctx, "asked-software")
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("read when subscribers were asked for their software: %w", err)
	}
	now := n.o.Now()
	if last, err := time.Parse(time.RFC3339, s); err == nil && now.Sub(last) < askEvery {
		return nil
	}
	if err := n.engine.RefreshSoftware(ctx); err != nil {
		return err
	}
	return n.store.PutMeta(ctx, "asked-software", now.Format(time.RFC3339))
}

func (n *Node) trim(ctx context.Context, before time.Time, upTo int64) error {
	for {
		gone, err := n.store.Trim(ctx, before, upTo)
		if err != nil {
			return fmt.Errorf("trim the journal: %w", err)
		}
		if gone == 0 {
			return nil
		}
	}
}

// greetAfterOutage sends every subscriber a signed request after a long
// absence: servers that gave the relay up resume only when they hear of it.
//
// ref: contracts/federation.md, "Answers, retries, death".
func (n *Node) greetAfterOutage(ctx context.Context) error {
	s, err := n.store.GetMeta(ctx, "alive")
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("read the time of the last sign of life: %w", err)
	}
	last, err := time.Parse(time.RFC3339, s)
	if err != nil || n.o.Now().Sub(last) < outageAfter {
		return n.alive(ctx)
	}
	subs, err := n.store.ListSubscribers(ctx, storage.SubscriberFilter{States: []storage.SubscriberState{storage.StateActive, storage.StateSuspended}})
	if err != nil {
		return fmt.Errorf("read subscribers: %w", err)
	}
	n.o.Log.Warn("back after an outage; greeting every subscriber", "away", n.o.Now().Sub(last).Round(time.Second), "subscribers", len(subs))
	for i := range subs {
		c, err := n.identity.Greet(subs[i], n.o.Now())
		if err != nil {
			return err
		}
		if err := n.store.PutSubscription(ctx, &subs[i], []storage.Control{c}); err != nil {
			return fmt.Errorf("greet %q: %w", subs[i].Actor, err)
		}
	}
	return n.alive(ctx)
}

// object keeps or lifts an author's objection to being kept.
func (n *Node) object(ctx context.Context, actor string, on bool) error {
	var err error
	if on {
		err = n.store.AddRule(ctx, storage.PolicyRule{Host: actor, Action: RuleObjected, Reason: "the author blocked the relay", Created: n.o.Now()})
		if errors.Is(err, storage.ErrExists) {
			err = nil
		}
	} else {
		err = n.store.DeleteRule(ctx, actor)
	}
	if err != nil {
		return err
	}
	return n.dir.reload(ctx)
}
