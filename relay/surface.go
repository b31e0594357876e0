package relay

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"hark/activitypub"
	"hark/relay/delivery"
	"hark/relay/inbox"
	"hark/relay/listen"
	"hark/relay/server"
	"hark/storage"
	"hark/storage/query"
)

// wireServer gives the HTTP surface what it shows.
func (n *Node) wireServer() error {
	docs, err := newDocuments(n)
	if err != nil {
		return err
	}
	o := &n.o
	n.server, err = server.New(server.Options{
		BaseURL: n.base, Domain: n.host, Name: o.Name, Description: o.Description, Contact: o.Contact,
		Retention: o.Retention, Consent: string(o.Consent), Publishers: string(o.Publishers), Approval: o.Approval,
		MaxBody: o.MaxBody, Inbox: surfaceInbox{n}, Federation: docs, Archive: surfaceArchive{n}, Live: surfaceLive{n},
		Tokens: n.store, Audit: n.store, Operator: &operator{n: n}, Metrics: n.metrics.registry,
		Ready: n.ready, Log: o.Log, Now: o.Now, Version: o.Version, PublicMetrics: o.PublicMetrics,
		SecureCookies: strings.HasPrefix(n.base, "https://"), TrustedProxies: o.TrustProxies,
	})
	return err
}

// ready tells whether the store answers.
func (n *Node) ready(ctx context.Context) error {
	_, _, err := n.store.Bounds(ctx)
	return err
}

// surfaceInbox answers deliveries and counts what became of them.
type surfaceInbox struct{ n *Node }

func (s surfaceInbox) Receive(ctx context.Context, r *http.Request, body []byte) server.Outcome {
	out := s.n.inbox.Receive(ctx, r, server.ClientAddr(r, s.n.o.TrustProxies).String(), body)
	s.n.metrics.inbox.WithLabelValues(string(out.Reason)).Inc()
	detail := out.Detail
	if detail == "" {
		detail = out.Reason.Sentence()
	}
	return server.Outcome{Status: out.Reason.Status(), Reason: string(out.Reason), Detail: detail, Ref: out.Ref, RetryAfter: out.RetryAfter}
}

// surfaceArchive reads the archive.
type surfaceArchive struct{ n *Node }

func (s surfaceArchive) Search(ctx context.Context, q *query.Query, p storage.Page) (storage.Hits, error) {
	return s.n.store.Search(ctx, q, p)
}

func (s surfaceArchive) Count(ctx context.Context, q *query.Query, most int64) (int64, bool, error) {
	return s.n.store.Count(ctx, q, most)
}

func (s surfaceArchive) GetPost(ctx context.Context, id int64) (*storage.Post, error) {
	p, err := s.n.store.GetPost(ctx, id)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

func (s surfaceArchive) PutFeedback(ctx context.Context, f storage.Feedback) error {
	return s.n.store.PutFeedback(ctx, f)
}

func (s surfaceArchive) Stats(ctx context.Context) (storage.Stats, error) {
	return s.n.store.Stats(ctx)
}

func (s surfaceArchive) ListCounts(ctx context.Context, fromDay string) ([]storage.DayCount, error) {
	return s.n.store.ListCounts(ctx, fromDay)
}

// surfaceLive passes the hub's events on.
type surfaceLive struct{ n *Node }

func (s surfaceLive) Listen(q *query.Query) (<-chan server.Event, func()) {
	in, cancel := s.n.hub.Listen(q)
	out := make(chan server.Event)
	done := make(chan struct{})
	s.n.wg.Go(func() {
		defer close(out)
		for e := range in {
			select {
			case out <- liveEvent(e):
			case <-done:
				return
			}
		}
	})
	var once sync.Once
	return out, func() {
		once.Do(func() {
			close(done)
			cancel()
		})
	}
}

func liveEvent(e listen.Event) server.Event {
	return server.Event{Kind: string(e.Kind), ID: e.ID, Post: e.Post}
}

// operator is what the operator's page and API may do.
type operator struct{ n *Node }

func (o *operator) Subscribers(ctx context.Context) ([]storage.Subscriber, error) {
	return o.n.store.ListSubscribers(ctx, storage.SubscriberFilter{})
}

func (o *operator) Head(ctx context.Context) (int64, error) {
	_, head, err := o.n.store.Bounds(ctx)
	return head, err
}

// Standings tells how every subscriber stands.
func (o *operator) Standings(ctx context.Context) ([]delivery.Standing, error) {
	subs, err := o.Subscribers(ctx)
	if err != nil {
		return nil, err
	}
	return delivery.Standings(ctx, o.n.store, subs, !o.n.o.HostBound, o.n.o.Now())
}

// SetFilter sets a subscriber's filter; "" lets everything pass.
func (o *operator) SetFilter(ctx context.Context, actor, filter string) error {
	if err := o.n.store.SetSubscriberFilter(ctx, actor, filter); err != nil {
		return err
	}
	o.n.changed()
	return nil
}

// Decide accepts or rejects a subscriber.
func (o *operator) Decide(ctx context.Context, actor string, accept bool) error {
	sub, err := o.n.store.GetSubscriber(ctx, actor)
	if err != nil {
		return err
	}
	now := o.n.o.Now()
	change := o.n.identity.Reject
	if accept {
		change = o.n.identity.Approve
	}
	next, controls, err := change(sub, now)
	if err != nil {
		return err
	}
	if err := o.n.store.PutSubscription(ctx, &next, controls); err != nil {
		return err
	}
	o.n.changed()
	return nil
}

// Remove ends a subscription: it is told with a Reject, and may ask again.
func (o *operator) Remove(ctx context.Context, actor string) error {
	sub, err := o.n.store.GetSubscriber(ctx, actor)
	if err != nil {
		return err
	}
	next, controls, err := o.n.identity.Reject(sub, o.n.o.Now())
	if err != nil {
		return err
	}
	next.State = storage.StateLeft
	if err := o.n.store.PutSubscription(ctx, &next, controls); err != nil {
		return err
	}
	o.n.changed()
	return nil
}

// Rules lists the blocked hosts.
func (o *operator) Rules(ctx context.Context) ([]storage.PolicyRule, error) {
	all, err := o.n.store.ListRules(ctx)
	if err != nil {
		return nil, err
	}
	var out []storage.PolicyRule
	for _, r := range all {
		if r.Action == RuleBlock {
			out = append(out, r)
		}
	}
	return out, nil
}

// Block keeps a host and its subdomains out; its subscriptions end.
func (o *operator) Block(ctx context.Context, host, reason string) error {
	name, err := activitypub.NormalizeHost(host)
	if err != nil {
		return err
	}
	rule := storage.PolicyRule{Host: name, Action: RuleBlock, Reason: reason, Created: o.n.o.Now()}
	if err := o.n.store.AddRule(ctx, rule); err != nil {
		return err
	}
	if err := o.n.dir.reload(ctx); err != nil {
		return err
	}
	subs, err := o.n.store.ListSubscribers(ctx, storage.SubscriberFilter{})
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range subs {
		if s.State != storage.StateRejected && s.State != storage.StateLeft && o.n.dir.Blocked(s.Host) {
			errs = append(errs, o.Decide(ctx, s.Actor, false))
		}
	}
	return errors.Join(errs...)
}

// Unblock lets a host in again; its subscriptions stay ended until it asks.
func (o *operator) Unblock(ctx context.Context, host string) error {
	name, err := activitypub.NormalizeHost(host)
	if err != nil {
		return err
	}
	if err := o.n.store.DeleteRule(ctx, name); err != nil {
		return err
	}
	return o.n.dir.reload(ctx)
}

var _ inbox.Directory = (*directory)(nil)
