package inbox

import (
	"hark/activitypub"
	"hark/storage"
)

// Action is what the inbox does with a verified activity.
type Action string

// The actions.
const (
	ActDrop     Action = "drop"     // 202 and nothing more
	ActRelay    Action = "relay"    // journal for fan-out and listener
	ActForward  Action = "forward"  // journal for fan-out only
	ActKeep     Action = "keep"     // journal for the listener only
	ActResolve  Action = "resolve"  // durable, then fetch the object from its origin
	ActFollow   Action = "follow"   // a subscription
	ActUnfollow Action = "unfollow" // its end
	ActAnswer   Action = "answer"   // an answer to our own Follow
)

// Facts are what deciding needs beside the envelope.
type Facts struct {
	Proof         storage.Proof // the author's own proof, verified
	Member        bool          // the actor's host may publish here
	Wrapper       bool          // the actor announces for a whole instance (a relay, a category, a service), not for a person
	ObjectBlocked bool          // the object's host is blocked
	Known         bool          // the object was relayed or kept before
	Unfollows     bool          // the Undo ends a subscription
	RelayUnlisted bool          // Public only in cc counts as public
	Relay         string        // id of this relay's actor
}

// notes are the object types that are posts.
var notes = map[string]bool{
	"Note": true, "Article": true, "Page": true, "Question": true,
	"Video": true, "Image": true, "Audio": true, "Event": true,
}

// actors are the actor types.
var actors = map[string]bool{
	"Person": true, "Service": true, "Application": true, "Group": true, "Organization": true,
}

// decisions has a function for every activity type that is understood; all
// others are dropped with ReasonType.
var decisions = map[string]func(*activitypub.Envelope, Facts) (Action, Reason){
	"Follow": func(*activitypub.Envelope, Facts) (Action, Reason) { return ActFollow, ReasonSubscribed },
	"Accept": func(*activitypub.Envelope, Facts) (Action, Reason) { return ActAnswer, ReasonAnswered },
	"Reject": func(*activitypub.Envelope, Facts) (Action, Reason) { return ActAnswer, ReasonAnswered },

	"Create":   decideCreate,
	"Update":   decideUpdate,
	"Delete":   decideDelete,
	"Undo":     decideUndo,
	"Announce": decideAnnounce,
	"Move":     decideMove,
	"Block":    decideBlock,
}

// Decide says what happens to an activity whose signature and authority were
// checked. It is pure; decide_test.go holds it as a table.
func Decide(env *activitypub.Envelope, f Facts) (Action, Reason) {
	decide, ok := decisions[env.Type]
	if !ok {
		return ActDrop, ReasonType
	}
	return decide(env, f)
}

// audience checks the addressing; ReasonRelayed means public.
func audience(env *activitypub.Envelope, f Facts) Reason {
	switch {
	case env.IsPublicTo():
		return ReasonRelayed
	case env.IsPublicCc():
		if f.RelayUnlisted {
			return ReasonRelayed
		}
		return ReasonUnlisted
	}
	return ReasonNotPublic
}

func decideCreate(env *activitypub.Envelope, f Facts) (Action, Reason) {
	if !f.Member {
		return ActDrop, ReasonNotMember
	}
	if r := audience(env, f); r != ReasonRelayed {
		return ActDrop, r
	}
	if env.ObjectID == "" {
		return ActDrop, ReasonType
	}
	if !env.ObjectInline {
		return ActResolve, ReasonResolving
	}
	if !notes[env.ObjectType] {
		return ActDrop, ReasonType
	}
	return ActRelay, ReasonRelayed
}

// decideUpdate relays an edit only where it can be forwarded: an Announce of
// an object that a server already has does not make it look again.
func decideUpdate(env *activitypub.Envelope, f Facts) (Action, Reason) {
	switch {
	case !env.ObjectInline || !notes[env.ObjectType] && !actors[env.ObjectType]:
		return ActDrop, ReasonType
	case !f.Member && !f.Known:
		return ActDrop, ReasonNotMember
	case actors[env.ObjectType]:
		// A profile holds the author's consent, so the listener sees it
		// whatever its audience.
		if f.Member && f.Proof != storage.ProofNone && env.IsPublicTo() {
			return ActRelay, ReasonRelayed
		}
		return ActKeep, ReasonKept
	}
	if r := audience(env, f); r != ReasonRelayed {
		if f.Known {
			// It was public and is not any more: the listener takes it down.
			return ActKeep, ReasonKept
		}
		return ActDrop, r
	}
	if f.Member && f.Proof != storage.ProofNone {
		return ActRelay, ReasonRelayed
	}
	return ActKeep, ReasonKept
}

// decideDelete honours a Delete whatever its audience (Misskey's has none) and
// whether or not its host still subscribes.
func decideDelete(env *activitypub.Envelope, f Facts) (Action, Reason) {
	if env.ObjectID == "" {
		return ActDrop, ReasonUnknown
	}
	ofActor := env.ObjectID == env.Actor
	if f.Member && f.Proof != storage.ProofNone && (f.Known || env.IsPublicTo()) {
		return ActRelay, ReasonRelayed
	}
	if f.Known || ofActor {
		return ActKeep, ReasonKept
	}
	return ActDrop, ReasonUnknown
}

func decideUndo(env *activitypub.Envelope, f Facts) (Action, Reason) {
	if f.Unfollows {
		return ActUnfollow, ReasonUnsubscribed
	}
	if env.ObjectType == "Block" && env.ObjectObjectID == f.Relay {
		return ActKeep, ReasonKept
	}
	if env.ObjectType != "Announce" {
		return ActDrop, ReasonType
	}
	if !f.Member {
		return ActDrop, ReasonNotMember
	}
	if f.Proof == storage.ProofNone {
		return ActDrop, ReasonBoostUnproof
	}
	if !env.IsPublicTo() {
		return ActDrop, ReasonNotPublic
	}
	return ActForward, ReasonRelayed
}

// carries are the activities that a group passes on to its followers by
// announcing them; the object of the inner one is what is new.
//
// ref: FEP-1b12
var carries = map[string]bool{"Create": true, "Update": true}

// Announced returns the id of the post that an Announce is about: its object,
// or the object of the activity that it announces. "" is none.
func Announced(env *activitypub.Envelope) string {
	switch {
	case !env.ObjectInline || notes[env.ObjectType]:
		return env.ObjectID
	case carries[env.ObjectType]:
		return env.ObjectObjectID
	}
	return ""
}

// decideAnnounce tells an instance's wrapper (a LitePub relay, another relay, a
// category), whose object is fetched and relayed once, from a person's boost,
// which is passed on as it is or not at all. A wrapper is addressed to the
// wrapper's followers; whether the object is public shows when it is fetched.
func decideAnnounce(env *activitypub.Envelope, f Facts) (Action, Reason) {
	switch {
	case !f.Member:
		return ActDrop, ReasonNotMember
	case f.ObjectBlocked:
		return ActDrop, ReasonObjectHost
	case Announced(env) == "":
		return ActDrop, ReasonType
	case f.Wrapper:
		return ActResolve, ReasonResolving
	case carries[env.ObjectType]:
		return ActDrop, ReasonType // people boost posts
	}
	if r := audience(env, f); r != ReasonRelayed {
		return ActDrop, r
	}
	if f.Proof == storage.ProofNone {
		return ActDrop, ReasonBoostUnproof
	}
	return ActForward, ReasonRelayed
}

// decideMove passes a Move on only with its author's proof: it has no audience
// of its own, and no server takes it from a relay without one.
func decideMove(_ *activitypub.Envelope, f Facts) (Action, Reason) {
	if f.Member && f.Proof != storage.ProofNone {
		return ActForward, ReasonRelayed
	}
	return ActDrop, ReasonType
}

// decideBlock hears an author who blocks the relay: that is a no to being kept.
func decideBlock(env *activitypub.Envelope, f Facts) (Action, Reason) {
	if env.ObjectID == f.Relay {
		return ActKeep, ReasonKept
	}
	return ActDrop, ReasonType
}
