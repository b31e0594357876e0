package inbox

import (
	"hark/activitypub"
	"hark/storage"
)

// Authority says on whose word an activity rests.
type Authority struct {
	Signer string        // owner of the key that signed the request
	Proof  storage.Proof // kind of the verified proof in the body
	Prover string        // owner of the key of that proof
}

// Authorise tells whether the activity is its actor's: the actor signed the
// request, or the body carries the actor's own proof, whoever delivered it. A
// neighbour on the same host is somebody else. It returns ReasonRelayed when
// it is.
//
// ref: FEP-fe34; contracts A1, A2, A23.
func Authorise(env *activitypub.Envelope, a Authority) Reason {
	if env.Actor == "" {
		return ReasonField
	}
	if a.Signer != env.Actor && (a.Proof == storage.ProofNone || a.Prover != env.Actor) {
		return ReasonActor
	}
	if env.ID != "" && !activitypub.SameOrigin(env.ID, env.Actor) {
		return ReasonOrigin
	}
	switch env.Type {
	case "Create", "Update":
		if env.ObjectID != "" && !activitypub.SameOrigin(env.ObjectID, env.Actor) {
			return ReasonOrigin
		}
		// A profile has no author beside itself.
		if actors[env.ObjectType] {
			if env.ObjectID != env.Actor {
				return ReasonActor
			}
			return ReasonRelayed
		}
		if env.ObjectInline && env.ObjectActor != "" && env.ObjectActor != env.Actor {
			return ReasonActor
		}
	case "Delete":
		if env.ObjectID != "" && !activitypub.SameOrigin(env.ObjectID, env.Actor) {
			return ReasonOrigin
		}
		// Only the actor itself removes an actor.
		if actors[env.ObjectType] && env.ObjectID != env.Actor {
			return ReasonActor
		}
	case "Undo":
		if env.ObjectInline && env.ObjectActor != "" && env.ObjectActor != env.Actor {
			return ReasonInnerActor
		}
	case "Move":
		if env.ObjectID != env.Actor {
			return ReasonActor
		}
	}
	return ReasonRelayed
}
