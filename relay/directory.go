package relay

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/publicsuffix"

	"hark/activitypub"
	"hark/storage"
)

// maxPerDomain is how many instances of one registrable domain may subscribe:
// a flood of fresh subdomains costs a stranger nothing.
//
// ref: contracts A33.
const maxPerDomain = 10

// Actions of a policy rule.
const (
	RuleBlock    = "block"    // the host is neither relayed nor kept
	RuleObjected = "objected" // the author blocked the relay: not kept; the rule's Host is the actor's id
)

// directoryStore is what the directory is read from.
type directoryStore interface {
	ListSubscribers(ctx context.Context, f storage.SubscriberFilter) ([]storage.Subscriber, error)
	ListRules(ctx context.Context) ([]storage.PolicyRule, error)
}

// directory knows the subscribers and the policy. Its readers see one
// consistent picture, replaced as a whole whenever either changes.
type directory struct {
	store  directoryStore
	anyone bool            // whoever signs may publish
	open   bool            // private addresses are in use: domains tell nothing
	above  map[string]bool // hosts of the relays that this one follows
	now    atomic.Pointer[picture]

	mu sync.Mutex // held while the picture is replaced, the store read included
}

type picture struct {
	members  map[string]bool   // hosts that may publish
	actors   map[string]bool   // actors of subscriptions
	software map[string]string // by host
	domains  map[string]int    // subscriptions by registrable domain
	counted  map[string]bool   // actors that are counted there
	blocked  map[string]bool
	objected map[string]bool
}

func newDirectory(store directoryStore, anyone, open bool, upstream []string) *directory {
	d := &directory{store: store, anyone: anyone, open: open, above: map[string]bool{}}
	for _, u := range upstream {
		if iri, err := activitypub.ParseIRI(u); err == nil {
			d.above[iri.Host()] = true
		}
	}
	d.now.Store(&picture{members: map[string]bool{}, actors: map[string]bool{}, domains: map[string]int{}, counted: map[string]bool{}})
	return d
}

// reload reads the subscribers and the rules again.
func (d *directory) reload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	subs, err := d.store.ListSubscribers(ctx, storage.SubscriberFilter{})
	if err != nil {
		return fmt.Errorf("read subscribers: %w", err)
	}
	rules, err := d.store.ListRules(ctx)
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	p := &picture{
		members: map[string]bool{}, actors: map[string]bool{}, software: map[string]string{},
		domains: map[string]int{}, counted: map[string]bool{}, blocked: map[string]bool{}, objected: map[string]bool{},
	}
	for _, s := range subs {
		if s.Software != "" {
			p.software[s.Host] = s.Software
		}
		if s.State != storage.StateLeft {
			p.domains[registrable(s.Host)]++
			p.counted[s.Actor] = true
		}
		if mayPublish(s.State) {
			p.members[s.Host] = true
			p.actors[s.Actor] = true
		}
	}
	for _, r := range rules {
		switch r.Action {
		case RuleBlock:
			p.blocked[r.Host] = true
		case RuleObjected:
			p.objected[r.Host] = true
		}
	}
	d.now.Store(p)
	return nil
}

// Blocked tells whether the host or a parent domain of it is blocked, however
// the host is written.
//
// ref: contracts A34.
func (d *directory) Blocked(host string) bool {
	blocked := d.now.Load().blocked
	if len(blocked) == 0 {
		return false
	}
	if blocked[host] { // a host with its port
		return true
	}
	h, err := activitypub.NormalizeHost(host)
	if err != nil {
		return true
	}
	for {
		if blocked[h] {
			return true
		}
		_, parent, ok := strings.Cut(h, ".")
		if !ok {
			return false
		}
		h = parent
	}
}

// Member tells whether the host may publish here.
func (d *directory) Member(host string) bool { return d.anyone || d.now.Load().members[host] }

// Upstream tells whether the host is a relay that this one follows.
func (d *directory) Upstream(host string) bool { return d.above[host] }

// IsSubscriber tells whether the actor is a subscription's own.
func (d *directory) IsSubscriber(actor string) bool { return d.now.Load().actors[actor] }

// Crowded tells whether the host's domain has its share of subscriptions.
func (d *directory) Crowded(host string) bool {
	return !d.open && d.now.Load().domains[registrable(host)] >= maxPerDomain
}

// Joined tells of a subscription that the store has, before the next reload
// finds it there: a newcomer counts at once, and one that is taken may publish
// at once. Its server sends posts as soon as it has the Accept.
func (d *directory) Joined(s storage.Subscriber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := *d.now.Load()
	if !p.counted[s.Actor] { // else a reload was quicker
		p.counted, p.domains = maps.Clone(p.counted), maps.Clone(p.domains)
		p.counted[s.Actor] = true
		p.domains[registrable(s.Host)]++
	}
	if mayPublish(s.State) && !p.actors[s.Actor] {
		p.members, p.actors = maps.Clone(p.members), maps.Clone(p.actors)
		p.members[s.Host], p.actors[s.Actor] = true, true
	}
	d.now.Store(&p)
}

// mayPublish tells whether a subscription in that state makes its host a member.
func mayPublish(s storage.SubscriberState) bool {
	return s == storage.StateAccepting || s == storage.StateActive || s == storage.StateSuspended
}

// Objected tells whether the author blocked the relay.
func (d *directory) Objected(actor string) bool { return d.now.Load().objected[actor] }

// Software is what the host runs by its NodeInfo; "" where unknown.
func (d *directory) Software(host string) string { return d.now.Load().software[host] }

func registrable(host string) string {
	h, err := activitypub.NormalizeHost(host)
	if err != nil {
		return host
	}
	if _, err := netip.ParseAddr(h); err == nil {
		return h
	}
	if d, err := publicsuffix.EffectiveTLDPlusOne(h); err == nil {
		return d
	}
	return h
}
