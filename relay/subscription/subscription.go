// Package subscription holds the two dialects in which instances join and
// leave a relay (FEP-ae0c) as pure functions: from what is known of a
// subscriber and an activity, to its new state and the control messages that
// have to be sent. Nothing here touches the network, a clock or a store.
package subscription

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"hark/activitypub"
	"hark/storage"
)

// Refusal is a reason for which a Follow or an Undo has no effect.
type Refusal string

// The refusals; each has a sentence in Sentence.
const (
	RefuseNone          Refusal = ""
	RefuseObject        Refusal = "follow-object"
	RefuseForeignInbox  Refusal = "inbox-origin"
	RefuseNoInbox       Refusal = "inbox-missing"
	RefuseInnerActor    Refusal = "inner-actor"
	RefuseUnknownFollow Refusal = "unknown-follow"
	RefuseLarge         Refusal = "follow-large"
)

// maxFollow is the length in bytes of the longest Follow that is taken. It is
// kept for as long as the subscription and echoed in every answer; real ones
// have a few hundred.
const maxFollow = 16 << 10

// Sentence says the refusal in words for the sender.
func (r Refusal) Sentence() string {
	switch r {
	case RefuseObject:
		return "This relay is followed through the Public collection or through its own actor; the Follow names something else."
	case RefuseForeignInbox:
		return "The inbox of the following actor is on another origin than the actor; deliveries go only to the actor's own origin."
	case RefuseNoInbox:
		return "The following actor has no inbox, so nothing could be delivered to it."
	case RefuseInnerActor:
		return "The actor of the embedded activity differs from the actor of the Undo."
	case RefuseUnknownFollow:
		return "No such subscription is known here; nothing was changed."
	case RefuseLarge:
		return "The Follow is larger than 16 KiB, which none has reason to be."
	}
	return ""
}

// Identity speaks for the relay.
type Identity struct {
	Relay activitypub.RelayActor
}

// NewID makes the id of a control message. It depends on what it answers
// and on when, so that a repetition after a crash carries an id of its own.
func (id Identity) NewID(kind storage.ControlKind, about string, now time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d", kind, about, now.UnixNano()))
	return id.Relay.BaseURL + "/activities/" + hex.EncodeToString(sum[:16])
}

// Request is a Follow with what is known of its sender.
type Request struct {
	Envelope *activitypub.Envelope
	Body     []byte              // the Follow as it arrived; echoed verbatim
	Actor    *activitypub.Actor  // document of its actor, fetched from its origin
	Existing *storage.Subscriber // nil: a newcomer
	Approval bool                // newcomers wait for the operator
	Head     int64               // last sequence of the journal: a newcomer starts behind it
	Now      time.Time
}

// Follow handles a Follow. A newcomer becomes accepting (or pending, where the
// operator approves); whoever follows again is accepted again, since its first
// Accept may have been lost; whom the operator refused is refused again.
//
// ref: FEP-ae0c; observed Mastodon, Misskey: they match the answer by the
// Follow's id and resolve the embedded Follow, so it is echoed as it arrived.
func (id Identity) Follow(req Request) (*storage.Subscriber, []storage.Control, Refusal, error) {
	env := req.Envelope
	var flavour storage.Flavour
	switch {
	case activitypub.IsPublic(env.ObjectID):
		flavour = storage.FlavourMastodon
	case env.ObjectID == id.Relay.ID():
		flavour = storage.FlavourLitePub
	default:
		return nil, nil, RefuseObject, nil
	}
	if len(req.Body) > maxFollow {
		return nil, nil, RefuseLarge, nil
	}
	if req.Actor.Inbox == "" {
		return nil, nil, RefuseNoInbox, nil
	}
	if !activitypub.SameOrigin(req.Actor.Inbox, req.Actor.ID) {
		return nil, nil, RefuseForeignInbox, nil
	}
	iri, err := activitypub.ParseIRI(env.Actor)
	if err != nil {
		return nil, nil, RefuseNone, fmt.Errorf("actor of the Follow: %w", err)
	}
	sub := storage.Subscriber{Actor: env.Actor, Created: req.Now, Cursor: req.Head}
	if req.Existing != nil {
		sub = *req.Existing
	}
	before := sub.State
	sub.Host = iri.Host()
	sub.Inbox = req.Actor.Inbox
	sub.Flavour = flavour
	sub.FollowID = env.ID
	sub.Follow = req.Body
	sub.ActorType = req.Actor.Type
	sub.Updated = req.Now
	sub.Health.LastActivity = req.Now
	switch before {
	case storage.StateRejected:
		rejected, controls, err := id.Reject(sub, req.Now)
		return &rejected, controls, RefuseNone, err
	case storage.StateActive, storage.StateSuspended, storage.StateAccepting:
		// Known and admitted: it keeps its cursor.
	default:
		sub.Cursor = req.Head
		sub.Health = storage.Health{LastActivity: req.Now}
		sub.Mutual, sub.FollowBackID = false, ""
		if req.Approval {
			sub.State = storage.StatePending
			return &sub, nil, RefuseNone, nil
		}
	}
	accepted, controls, err := id.Approve(sub, req.Now)
	return &accepted, controls, RefuseNone, err
}

// Approve admits a subscriber: the Accept, and for LitePub the Follow back,
// are to be sent; nothing is fanned out to it before the Accept was taken.
func (id Identity) Approve(sub storage.Subscriber, now time.Time) (storage.Subscriber, []storage.Control, error) {
	accept, err := id.Relay.Accept(id.NewID(storage.ControlAccept, sub.FollowID, now), sub.Follow, sub.Actor)
	if err != nil {
		return sub, nil, fmt.Errorf("accept %q: %w", sub.Actor, err)
	}
	controls := []storage.Control{id.control(sub, storage.ControlAccept, accept, now)}
	if sub.State != storage.StateActive {
		sub.State = storage.StateAccepting
	}
	sub.Updated = now
	if sub.Flavour == storage.FlavourLitePub && !sub.Mutual {
		sub.FollowBackID = id.NewID(storage.ControlFollow, sub.Actor, now)
		follow, err := id.Relay.Follow(sub.FollowBackID, sub.Actor)
		if err != nil {
			return sub, nil, fmt.Errorf("follow back %q: %w", sub.Actor, err)
		}
		controls = append(controls, id.control(sub, storage.ControlFollow, follow, now))
	}
	return sub, controls, nil
}

// Reject refuses or expels a subscriber: a Reject after an Accept ends the
// subscription on the other side too.
func (id Identity) Reject(sub storage.Subscriber, now time.Time) (storage.Subscriber, []storage.Control, error) {
	reject, err := id.Relay.Reject(id.NewID(storage.ControlReject, sub.FollowID, now), sub.Follow, sub.Actor)
	if err != nil {
		return sub, nil, fmt.Errorf("reject %q: %w", sub.Actor, err)
	}
	controls := []storage.Control{id.control(sub, storage.ControlReject, reject, now)}
	if undo, err := id.undoFollowBack(sub, now); err != nil {
		return sub, nil, err
	} else if undo != nil {
		controls = append(controls, *undo)
	}
	sub.State = storage.StateRejected
	sub.Updated = now
	sub.Mutual, sub.FollowBackID = false, ""
	return sub, controls, nil
}

// Greet sends the Accept again. Mastodon gives up a host that failed on seven
// days until it receives a signed request from it, so after an outage of our
// own every subscriber is greeted.
func (id Identity) Greet(sub storage.Subscriber, now time.Time) (storage.Control, error) {
	accept, err := id.Relay.Accept(id.NewID(storage.ControlGreet, sub.FollowID, now), sub.Follow, sub.Actor)
	if err != nil {
		return storage.Control{}, fmt.Errorf("greet %q: %w", sub.Actor, err)
	}
	return id.control(sub, storage.ControlGreet, accept, now), nil
}

// Undo handles an Undo of a Follow. The Follow must be the sender's own; one
// that is not known changes nothing.
//
// ref: contracts A3, A4 (an Undo's own actor is compared with the Follow's).
func (id Identity) Undo(env *activitypub.Envelope, existing *storage.Subscriber, now time.Time) (*storage.Subscriber, []storage.Control, Refusal, error) {
	if env.ObjectActor != "" && env.ObjectActor != env.Actor {
		return nil, nil, RefuseInnerActor, nil
	}
	if existing == nil || existing.Actor != env.Actor {
		return nil, nil, RefuseUnknownFollow, nil
	}
	ours := activitypub.IsPublic(env.ObjectObjectID) || env.ObjectObjectID == id.Relay.ID()
	if env.ObjectID != existing.FollowID && !ours {
		return nil, nil, RefuseUnknownFollow, nil
	}
	sub := *existing
	var controls []storage.Control
	undo, err := id.undoFollowBack(sub, now)
	if err != nil {
		return nil, nil, RefuseNone, err
	}
	if undo != nil {
		controls = append(controls, *undo)
	}
	// Whom the operator refused does not begin anew by leaving.
	if sub.State != storage.StateRejected {
		sub.State = storage.StateLeft
	}
	sub.Updated = now
	sub.Mutual, sub.FollowBackID = false, ""
	return &sub, controls, RefuseNone, nil
}

// Answer handles an Accept or Reject of our own Follow back.
func (id Identity) Answer(env *activitypub.Envelope, existing *storage.Subscriber, now time.Time) (*storage.Subscriber, Refusal) {
	if existing == nil || existing.FollowBackID == "" || env.ObjectID != existing.FollowBackID {
		return nil, RefuseUnknownFollow
	}
	sub := *existing
	sub.Mutual = env.Type == "Accept"
	sub.Updated = now
	return &sub, RefuseNone
}

func (id Identity) undoFollowBack(sub storage.Subscriber, now time.Time) (*storage.Control, error) {
	if sub.FollowBackID == "" {
		return nil, nil
	}
	follow, err := id.Relay.Follow(sub.FollowBackID, sub.Actor)
	if err != nil {
		return nil, fmt.Errorf("undo the follow of %q: %w", sub.Actor, err)
	}
	body, err := id.Relay.Undo(id.NewID(storage.ControlUndo, sub.FollowBackID, now), follow)
	if err != nil {
		return nil, fmt.Errorf("undo the follow of %q: %w", sub.Actor, err)
	}
	c := id.control(sub, storage.ControlUndo, body, now)
	return &c, nil
}

func (id Identity) control(sub storage.Subscriber, kind storage.ControlKind, body []byte, now time.Time) storage.Control {
	return storage.Control{Actor: sub.Actor, Inbox: sub.Inbox, Kind: kind, Body: body, NextAt: now, Created: now}
}

// Unfollows tells whether an Undo ends a subscription rather than some other
// activity: it embeds a Follow, or names the Follow of the subscription that
// its actor has.
func Unfollows(env *activitypub.Envelope, existing *storage.Subscriber) bool {
	if env.ObjectInline {
		return env.ObjectType == "Follow"
	}
	return existing != nil && existing.FollowID != "" && env.ObjectID == existing.FollowID
}
