package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hark/relay/delivery"
	"hark/relay/inbox"
	"hark/storage"
)

// explainStore is what an explanation is read from.
type explainStore interface {
	ListDecisions(ctx context.Context, id string, limit int) ([]storage.Decision, error)
	FindEntries(ctx context.Context, id string, limit int) ([]storage.Entry, error)
	ListSubscribers(ctx context.Context, f storage.SubscriberFilter) ([]storage.Subscriber, error)
	GetPostByURI(ctx context.Context, uri string) (storage.Post, error)
	GetActor(ctx context.Context, id string) (storage.Actor, error)
}

// Explanation is what is known of an activity, an object, an actor or a
// refusal.
type Explanation struct {
	ID        string      `json:"id"`
	Decisions []Verdict   `json:"decisions"` // refusals and drops, newest first
	Taken     []Taken     `json:"taken"`     // what was accepted, newest first
	Post      *StoredPost `json:"post,omitempty"`
	Actor     *KnownActor `json:"actor,omitempty"`
	Kept      KeptFor     `json:"kept"`
}

// KeptFor says how far back an explanation can look.
type KeptFor struct {
	Journal   string `json:"journal"`
	Decisions string `json:"decisions"`
}

// Verdict is one decision against a delivery.
type Verdict struct {
	At     time.Time     `json:"at"`
	Stage  storage.Stage `json:"stage"`
	Reason string        `json:"reason"`
	Status int           `json:"status,omitempty"`
	Type   string        `json:"type,omitempty"`
	Via    string        `json:"via,omitempty"`
	Says   string        `json:"says"`             // the reason in words
	Detail string        `json:"detail,omitempty"` // the fault that was found
	Advice string        `json:"advice,omitempty"` // what can be done
}

// Taken is an accepted activity.
type Taken struct {
	Seq         int64            `json:"seq"`
	At          time.Time        `json:"at"`
	Activity    string           `json:"activity"`
	Type        string           `json:"type"`
	Actor       string           `json:"actor"`
	Object      string           `json:"object,omitempty"`
	Via         string           `json:"via"`
	Proof       storage.Proof    `json:"proof"`
	Evidence    storage.Evidence `json:"evidence"`
	Relayed     bool             `json:"relayed"`
	Erased      bool             `json:"erased,omitempty"`
	Subscribers []Passed         `json:"subscribers,omitempty"`
}

// Passed is what became of an activity at one subscriber.
type Passed struct {
	Subscriber string        `json:"subscriber"`
	Form       delivery.Form `json:"form"`
	Why        string        `json:"why,omitempty"`
	Done       bool          `json:"done"` // its cursor has passed it
	State      string        `json:"state"`
}

// StoredPost is what is kept of a post.
type StoredPost struct {
	ID       int64           `json:"id"`
	URI      string          `json:"uri"`
	Received time.Time       `json:"received"`
	Consent  string          `json:"consent"`
	Labels   []storage.Label `json:"labels"`
}

// KnownActor is what is known of an actor.
type KnownActor struct {
	ID      string    `json:"id"`
	Handle  string    `json:"handle"`
	Fetched time.Time `json:"fetched"`
}

// refusalPrefix is how a problem document names a refusal.
const refusalPrefix = "urn:hark:refusal:"

// maxExplained bounds the entries and decisions that are shown.
const maxExplained = 20

// Explain gathers what the store knows of an id: of an activity, an object, an
// actor, or a refusal as a problem document names it. now is the time at which
// the subscribers' forms are told. It returns storage.ErrNotFound if there is
// nothing. It reads the whole journal for an activity's id.
func Explain(ctx context.Context, store explainStore, id string, journal time.Duration, now time.Time) (*Explanation, error) {
	id = strings.TrimPrefix(strings.TrimSpace(id), refusalPrefix)
	x := &Explanation{
		ID: id, Decisions: []Verdict{}, Taken: []Taken{},
		Kept: KeptFor{Journal: journal.String(), Decisions: fmt.Sprintf("%s, at most 50,000", journal)},
	}
	decisions, err := store.ListDecisions(ctx, id, maxExplained)
	if err != nil {
		return nil, err
	}
	for _, d := range decisions {
		x.Decisions = append(x.Decisions, verdictOf(d))
	}
	entries, err := store.FindEntries(ctx, id, maxExplained)
	if err != nil {
		return nil, err
	}
	subs, err := store.ListSubscribers(ctx, storage.SubscriberFilter{States: []storage.SubscriberState{storage.StateActive, storage.StateSuspended}})
	if err != nil {
		return nil, err
	}
	for i := range entries {
		x.Taken = append(x.Taken, takenOf(&entries[i], subs, id != entries[i].Actor, now))
	}
	post, err := store.GetPostByURI(ctx, id)
	switch {
	case err == nil:
		x.Post = &StoredPost{ID: post.ID, URI: post.URI, Received: post.Received, Consent: post.Consent, Labels: post.Labels}
	case !errors.Is(err, storage.ErrNotFound):
		return nil, err
	}
	actor, err := store.GetActor(ctx, id)
	switch {
	case err == nil:
		x.Actor = &KnownActor{ID: actor.ID, Handle: actor.Handle, Fetched: actor.Fetched}
	case !errors.Is(err, storage.ErrNotFound):
		return nil, err
	}
	if len(x.Decisions)+len(x.Taken) == 0 && x.Post == nil && x.Actor == nil {
		return x, fmt.Errorf("nothing is known of %.200q: %w", id, storage.ErrNotFound)
	}
	return x, nil
}

func verdictOf(d storage.Decision) Verdict {
	v := Verdict{At: d.At, Stage: d.Stage, Reason: d.Reason, Status: d.Status, Type: d.Type, Via: d.Via, Detail: d.Detail}
	if d.Stage == storage.StageListen {
		v.Says = "It was relayed, but not kept for search: " + listenReason(d.Reason) + "."
		return v
	}
	v.Says, v.Advice = inbox.Reason(d.Reason).Sentence(), advice[inbox.Reason(d.Reason)]
	return v
}

// listenReason says why a post is not kept.
func listenReason(reason string) string {
	switch reason {
	case "objected":
		return "its author blocked the relay"
	case "not-indexable":
		return "its author does not want to be searched (indexable)"
	case "sign-in-required":
		return "its author shows posts only to who has signed in"
	case "not-public":
		return "it is not public any more"
	case "blocked":
		return "its host is blocked"
	case "actor-unknown":
		return "its author's profile could not be fetched"
	case "unreadable":
		return "it could not be read"
	}
	return "its author's wish (" + reason + ")"
}

// advice says what an operator, or the admin who asked, can do.
var advice = map[inbox.Reason]string{
	inbox.ReasonNotMember:     "The actor's server has to subscribe to this relay, or the operator sets publishers = \"anyone\".",
	inbox.ReasonUnlisted:      "The operator can set relay_unlisted = true.",
	inbox.ReasonDate:          "Compare the clocks of the two servers.",
	inbox.ReasonKey:           "The sender's actor document must be reachable from here; see the detail.",
	inbox.ReasonForbiddenHost: "Only public addresses are reached; for a test network set allow_private.",
	inbox.ReasonBlocked:       "The operator can lift the block.",
	inbox.ReasonRateHost:      "It will be sent again; if it goes on, raise limits.host_rate.",
	inbox.ReasonRateAll:       "It will be sent again; if it goes on, raise limits.global_rate.",
	inbox.ReasonWeakKey:       "The sender must use an RSA key of 2,048 bits or more.",
	inbox.ReasonPending:       "The operator approves it with `hark subscribers approve`.",
	inbox.ReasonBoostUnproof:  "The boosting server does not sign its activities; its secure mode may be on.",
	inbox.ReasonActor:         "It was delivered by somebody else than its actor, so it needs the actor's own signature in the body.",
}

func takenOf(e *storage.Entry, subs []storage.Subscriber, one bool, now time.Time) Taken {
	t := Taken{
		Seq: e.Seq, At: e.Received, Activity: e.ActivityID, Type: e.Type, Actor: e.Actor, Object: e.ObjectID, Via: e.Via,
		Proof: e.Proof, Evidence: e.Evidence, Relayed: e.Relay, Erased: e.Erased,
	}
	t.Evidence.Signed = "" // long, and in the archive
	if !e.Relay || !one {
		return t
	}
	for i := range subs {
		s := &subs[i]
		if s.Created.After(e.Received) && s.Cursor >= e.Seq {
			continue // it came later
		}
		form, why := delivery.FormFor(e, s, now)
		t.Subscribers = append(t.Subscribers, Passed{Subscriber: s.Actor, Form: form, Why: why, Done: s.Cursor >= e.Seq, State: string(s.State)})
	}
	return t
}

// Text says an explanation in words, for people.
func (x *Explanation) Text() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	when := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
	for _, d := range x.Decisions {
		from := ""
		if d.Via != "" {
			from = " from " + d.Via
		}
		say("%s  %s%s: %s", when(d.At), orAny(d.Type, "a delivery"), from, d.Reason)
		say("  %s", d.Says)
		if d.Status > 0 {
			say("  Answered with status %d.", d.Status)
		}
		if d.Detail != "" {
			say("  Found: %s", d.Detail)
		}
		if d.Advice != "" {
			say("  What to do: %s", d.Advice)
		}
	}
	for _, t := range x.Taken {
		say("%s  %s from %s: accepted as entry %d", when(t.At), t.Type, t.Via, t.Seq)
		say("  By %s, about %s.", t.Actor, orAny(t.Object, "nothing of its own"))
		say("  The request was signed (%s) with %s, over %s.", orAny(t.Evidence.Scheme, "unknown"), orAny(t.Evidence.KeyID, "an unknown key"), orAny(strings.Join(t.Evidence.Components, " "), "an unknown part of it"))
		switch {
		case t.Erased:
			say("  Its text was erased since.")
		case !t.Relayed:
			say("  It was kept, and not passed on.")
		}
		for _, p := range t.Subscribers {
			done := "waits"
			if p.Done {
				done = "done"
			}
			line := fmt.Sprintf("  %-6s %-8s %s", done, p.Form, p.Subscriber)
			if p.Why != "" {
				line += " (" + p.Why + ")"
			}
			if p.State != string(storage.StateActive) {
				line += " [" + p.State + "]"
			}
			say("%s", line)
		}
	}
	if x.Post != nil {
		say("It is kept as post %d since %s, by the rule %q.", x.Post.ID, when(x.Post.Received), x.Post.Consent)
		for _, l := range x.Post.Labels {
			if l.Over {
				say("  Labelled %s (%.2f).", l.Name, l.Score)
			}
		}
	}
	if x.Actor != nil {
		say("The actor %s is known as %s; its document was fetched %s.", x.Actor.ID, orAny(x.Actor.Handle, "nobody"), when(x.Actor.Fetched))
	}
	return b.String()
}

func orAny(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
