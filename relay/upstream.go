package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hark/activitypub"
	"hark/storage"
)

// upstreamRetry is the pace at which a relay that could not be asked is asked
// again.
const upstreamRetry = 5 * time.Minute

// upstreamFirst is the first wait; relays that start together find each other.
const upstreamFirst = 5 * time.Second

// upstream is a relay that this one follows, as the store remembers it.
type upstream struct {
	URL      string `json:"url"`    // as configured
	Inbox    string `json:"inbox"`  // where it is spoken to
	Object   string `json:"object"` // what was followed
	FollowID string `json:"follow_id"`
}

// followUpstream follows the relays that are configured, as an instance would:
// an inbox URL in Mastodon's way, an actor's URL in LitePub's. Those that are
// no longer configured are left. It returns when all is said, or the context
// ends.
func (n *Node) followUpstream(ctx context.Context) {
	for wait := upstreamFirst; ; wait = min(2*wait, upstreamRetry) {
		err := n.syncUpstream(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		n.o.Log.Warn("follow another relay", "error", err.Error(), "again_in", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (n *Node) syncUpstream(ctx context.Context) error {
	known, err := n.knownUpstream(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, url := range n.o.Upstream {
		if slices.ContainsFunc(known, func(u upstream) bool { return u.URL == url }) {
			continue
		}
		u, err := n.follow(ctx, url)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", url, err))
			continue
		}
		known = append(known, u)
		errs = append(errs, n.keepUpstream(ctx, known))
	}
	for _, u := range slices.Clone(known) {
		if slices.Contains(n.o.Upstream, u.URL) {
			continue
		}
		if err := n.unfollow(ctx, u); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", u.URL, err))
			continue
		}
		known = slices.DeleteFunc(known, func(k upstream) bool { return k.URL == u.URL })
		errs = append(errs, n.keepUpstream(ctx, known))
	}
	return errors.Join(errs...)
}

func (n *Node) knownUpstream(ctx context.Context) ([]upstream, error) {
	s, err := n.store.GetMeta(ctx, "upstream")
	if errors.Is(err, storage.ErrNotFound) || err == nil && s == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the relays that are followed: %w", err)
	}
	var list []upstream
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, fmt.Errorf("read the relays that are followed: %w", err)
	}
	return list, nil
}

func (n *Node) keepUpstream(ctx context.Context, list []upstream) error {
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := n.store.PutMeta(ctx, "upstream", string(b)); err != nil {
		return fmt.Errorf("keep the relays that are followed: %w", err)
	}
	return nil
}

func (n *Node) follow(ctx context.Context, url string) (upstream, error) {
	u := upstream{URL: url, Inbox: url, Object: activitypub.Public}
	if !strings.HasSuffix(url, "/inbox") {
		actor, err := n.keys.Actor(ctx, url)
		if err != nil {
			return u, err
		}
		if !activitypub.SameOrigin(actor.Inbox, actor.ID) {
			return u, fmt.Errorf("its inbox %q is on another origin", actor.Inbox)
		}
		u.Inbox, u.Object = actor.Inbox, actor.ID
	}
	u.FollowID = n.identity.NewID(storage.ControlFollow, url, n.o.Now())
	body, err := n.identity.Relay.Follow(u.FollowID, u.Object)
	if err != nil {
		return u, err
	}
	return u, n.say(ctx, u, body)
}

func (n *Node) unfollow(ctx context.Context, u upstream) error {
	follow, err := n.identity.Relay.Follow(u.FollowID, u.Object)
	if err != nil {
		return err
	}
	body, err := n.identity.Relay.Undo(n.identity.NewID(storage.ControlUndo, u.URL, n.o.Now()), follow)
	if err != nil {
		return err
	}
	return n.say(ctx, u, body)
}

// say delivers one message to another relay.
func (n *Node) say(ctx context.Context, u upstream, body []byte) error {
	status, err := n.engine.Send(ctx, u.Inbox, body)
	if err != nil {
		return err
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("it answered %d", status)
	}
	n.o.Log.Info("another relay was told", "relay", u.URL)
	return nil
}
