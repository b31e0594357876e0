package relay

import (
	"context"
	"fmt"
	"strings"

	"hark/activitypub"
	"hark/activitypub/wellknown"
	"hark/storage"
)

// collectionPage is how many items a page of a collection holds.
const collectionPage = 100

// documents serves what the node says of itself.
type documents struct {
	n     *Node
	actor []byte
}

func newDocuments(n *Node) (*documents, error) {
	actor, err := n.identity.Relay.Document()
	if err != nil {
		return nil, fmt.Errorf("actor document: %w", err)
	}
	return &documents{n: n, actor: actor}, nil
}

// Actor is the relay actor.
func (d *documents) Actor() []byte { return d.actor }

// WebFinger answers for acct:relay@DOMAIN and for the actor's own URL.
//
// ref: RFC 7033 §4; FEP-2c59.
func (d *documents) WebFinger(resource string) ([]byte, error) {
	relay := d.n.identity.Relay
	subject := "acct:relay@" + relay.Domain
	known := strings.EqualFold(resource, subject) || strings.EqualFold(resource, "acct:@relay@"+relay.Domain) ||
		resource == relay.ID() || resource == relay.BaseURL || resource == relay.BaseURL+"/"
	if !known {
		return nil, storage.ErrNotFound
	}
	return wellknown.WebFinger(subject, relay.ID(), relay.BaseURL+"/")
}

// NodeInfoLinks is the document at /.well-known/nodeinfo.
func (d *documents) NodeInfoLinks() []byte { return wellknown.NodeInfoLinks(d.n.base) }

// NodeInfo answers for the versions 2.0 and 2.1. A relay has no users: its
// subscribers are instances, and are told in the metadata.
//
// ref: FEP-f1d5, FEP-0151.
func (d *documents) NodeInfo(ctx context.Context, version string) ([]byte, error) {
	subs, err := d.subscribers(ctx)
	if err != nil {
		return nil, err
	}
	stats, err := d.n.store.Stats(ctx)
	if err != nil {
		return nil, fmt.Errorf("archive figures: %w", err)
	}
	hosts := make([]string, 0, len(subs))
	for _, s := range subs {
		hosts = append(hosts, s.Host)
	}
	return wellknown.NodeInfo(version, wellknown.Info{
		Version: d.n.o.Version,
		Metadata: map[string]any{
			"nodeName": d.n.o.Name, "nodeDescription": d.n.o.Description,
			"relay": true, "subscribers": len(subs), "peers": hosts, "posts_held": stats.Posts,
			"retention_days": int(d.n.o.Retention.Hours() / 24), "consent": string(d.n.o.Consent),
		},
	})
}

func (d *documents) subscribers(ctx context.Context) ([]storage.Subscriber, error) {
	subs, err := d.n.store.ListSubscribers(ctx, storage.SubscriberFilter{States: []storage.SubscriberState{storage.StateActive}})
	if err != nil {
		return nil, fmt.Errorf("read subscribers: %w", err)
	}
	return subs, nil
}

// Announce is an Announce that was sent, or could have been.
func (d *documents) Announce(ctx context.Context, name string) ([]byte, error) {
	return d.n.engine.Announced(ctx, name)
}

// Collection answers for outbox, followers and following; page 0 is the
// collection itself. The outbox is empty: what the relay announces belongs to
// its authors, and is not offered for reading here.
func (d *documents) Collection(ctx context.Context, name string, page int) ([]byte, error) {
	var items []string
	id := ""
	relay := d.n.identity.Relay
	switch name {
	case "outbox":
		id = relay.OutboxURL()
	case "followers", "following":
		id = relay.FollowersURL()
		if name == "following" {
			id = relay.FollowingURL()
		}
		subs, err := d.subscribers(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range subs {
			if name == "followers" || s.Mutual {
				items = append(items, s.Actor)
			}
		}
	default:
		return nil, storage.ErrNotFound
	}
	if page == 0 {
		first := ""
		if len(items) > 0 {
			first = fmt.Sprintf("%s?page=1", id)
		}
		return activitypub.OrderedCollection(id, len(items), first)
	}
	lo := (page - 1) * collectionPage
	if page < 0 || lo >= len(items) {
		return nil, storage.ErrNotFound
	}
	hi := min(lo+collectionPage, len(items))
	next := ""
	if hi < len(items) {
		next = fmt.Sprintf("%s?page=%d", id, page+1)
	}
	return activitypub.OrderedCollectionPage(fmt.Sprintf("%s?page=%d", id, page), id, next, len(items), items[lo:hi])
}
