package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"hark/activitypub"
	"hark/storage"
)

// Bounds of the control messages.
const (
	controlBatch    = 128
	controlParallel = 64
	controlIdle     = time.Second
	softwareTimeout = 8 * time.Second
	// softwareParallel is how many are asked at once when all are.
	softwareParallel = 4
)

// controlLoop delivers Accepts, Rejects, Follows and Undos. They are durable
// with the change that caused them, and always signed host-bound.
func (e *Engine) controlLoop(ctx context.Context) {
	tick := time.NewTicker(controlIdle)
	defer tick.Stop()
	for {
		if err := e.controls(ctx); err != nil && ctx.Err() == nil {
			e.o.Log.ErrorContext(ctx, "control messages", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-e.ctrl:
		case <-tick.C:
		}
	}
}

// controls starts what is due: subscribers beside each other, the messages to
// one subscriber in their order. It does not wait, so that one whose inbox hangs
// holds up nobody else; what there is no room for stays due.
func (e *Engine) controls(ctx context.Context) error {
	list, err := e.o.Store.ListControls(ctx, e.o.Now(), controlBatch)
	if err != nil {
		return fmt.Errorf("list control messages: %w", err)
	}
	byActor := map[string][]storage.Control{}
	var order []string
	for _, c := range list {
		if _, ok := byActor[c.Actor]; !ok {
			order = append(order, c.Actor)
		}
		byActor[c.Actor] = append(byActor[c.Actor], c)
	}
	e.talkMu.Lock()
	defer e.talkMu.Unlock()
	for _, actor := range order {
		if e.talking[actor] || len(e.talking) >= controlParallel {
			continue
		}
		e.talking[actor] = true
		e.talks.Go(func() { e.talk(ctx, actor, byActor[actor]) })
	}
	return nil
}

// talk sends the messages to one subscriber until one fails; the next one
// waits for it.
func (e *Engine) talk(ctx context.Context, actor string, messages []storage.Control) {
	defer func() {
		e.talkMu.Lock()
		delete(e.talking, actor)
		e.talkMu.Unlock()
		signal(e.ctrl) // there is room again
	}()
	for _, c := range messages {
		sent, err := e.control(ctx, c)
		if err != nil && ctx.Err() == nil {
			e.o.Log.ErrorContext(ctx, "control message", "actor", actor, "error", err.Error())
		}
		if err != nil || !sent {
			return
		}
	}
}

// control sends one message; true means that it is out of the way.
func (e *Engine) control(ctx context.Context, c storage.Control) (bool, error) {
	body := c.Body
	if e.o.Author != nil {
		body = e.own(body, e.o.Author.Prove)
	}
	resp, err := e.post(ctx, c.Inbox, body)
	if ctx.Err() != nil {
		return false, nil
	}
	reason := ""
	v := verdictRetry
	if err != nil {
		reason = err.Error()
	} else {
		v = judge(resp.Status)
		reason = fmt.Sprintf("%d %s", resp.Status, resp.Body)
	}
	switch v {
	case verdictTaken:
		if err := e.controlTaken(ctx, c); err != nil {
			return false, err
		}
		e.o.Log.InfoContext(ctx, "control message delivered", "kind", string(c.Kind), "actor", c.Actor)
		if err := e.o.Store.DeleteControl(ctx, c.ID); err != nil {
			return true, err
		}
		if c.Kind == storage.ControlAccept {
			return true, e.learnSoftware(ctx, c.Actor)
		}
		return true, nil
	case verdictGone:
		e.o.Log.InfoContext(ctx, "control message refused", "kind", string(c.Kind), "actor", c.Actor, "error", reason)
		return true, e.o.Store.DeleteControl(ctx, c.ID)
	}
	now := e.o.Now()
	if now.Sub(c.Created) > e.o.GiveUpAfter {
		e.o.Log.WarnContext(ctx, "control message given up", "kind", string(c.Kind), "actor", c.Actor, "error", reason)
		return true, e.o.Store.DeleteControl(ctx, c.ID)
	}
	next := now.Add(backoff(c.Attempts+1, e.o.RetryMin, e.o.RetryMax, resp))
	e.o.Log.InfoContext(ctx, "control message failed", "kind", string(c.Kind), "actor", c.Actor, "retry_at", next, "error", reason)
	return false, e.o.Store.RetryControl(ctx, c.ID, c.Attempts+1, next)
}

// controlTaken opens the fan-out to a subscriber whose Accept was taken, and
// not before: nobody points the relay at a third party.
func (e *Engine) controlTaken(ctx context.Context, c storage.Control) error {
	if c.Kind != storage.ControlAccept {
		return nil
	}
	changed, err := e.o.Store.SetSubscriberState(ctx, c.Actor, []storage.SubscriberState{storage.StateAccepting}, storage.StateActive)
	if err != nil {
		return fmt.Errorf("activate %q: %w", c.Actor, err)
	}
	if changed {
		e.o.Observer.Changed()
		signal(e.reload)
	}
	return nil
}

// learnSoftware asks a newcomer's NodeInfo what it runs; who does not answer
// stays unknown.
func (e *Engine) learnSoftware(ctx context.Context, actor string) error {
	sub, err := e.o.Store.GetSubscriber(ctx, actor)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("subscriber %q: %w", actor, err)
	}
	if sub.Software != "" {
		return nil
	}
	return e.askSoftware(ctx, &sub)
}

// RefreshSoftware asks every subscriber that takes deliveries what it runs by
// now: upgrades change what a server understands.
func (e *Engine) RefreshSoftware(ctx context.Context) error {
	subs, err := e.o.Store.ListSubscribers(ctx, storage.SubscriberFilter{States: []storage.SubscriberState{storage.StateActive}})
	if err != nil {
		return fmt.Errorf("list subscribers: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(softwareParallel)
	for i := range subs {
		g.Go(func() error { return e.askSoftware(ctx, &subs[i]) })
	}
	return g.Wait()
}

func (e *Engine) askSoftware(ctx context.Context, sub *storage.Subscriber) error {
	iri, err := activitypub.ParseIRI(sub.Actor)
	if err != nil {
		return nil //nolint:nilerr // an actor without a base is only not asked
	}
	ask, cancel := context.WithTimeout(ctx, softwareTimeout)
	defer cancel()
	software, version, err := e.o.Poster.NodeInfo(ask, iri.Origin())
	if err != nil {
		e.o.Log.DebugContext(ctx, "nodeinfo", "host", sub.Host, "error", err.Error())
		return nil
	}
	if software == sub.Software && version == sub.Version {
		return nil
	}
	e.o.Log.InfoContext(ctx, "subscriber's software", "host", sub.Host, "software", software, "version", version)
	err = e.o.Store.SetSubscriberSoftware(ctx, sub.Actor, software, version)
	if errors.Is(err, storage.ErrNotFound) {
		return nil // it left meanwhile
	}
	if err != nil {
		return err
	}
	e.o.Observer.Changed()
	return nil
}
