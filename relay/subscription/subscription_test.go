package subscription

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"hark/activitypub"
	"hark/storage"
)

var (
	relay = Identity{Relay: activitypub.RelayActor{Domain: "relay.example", BaseURL: "https://relay.example", Name: "Hark"}}
	now   = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

func follow(t *testing.T, actor, object string) (*activitypub.Envelope, []byte) {
	t.Helper()
	// A spelling that no encoder of ours would make: it must come back as it is.
	body := fmt.Appendf(nil, `{ "@context":"https://www.w3.org/ns/activitystreams", "id":"https://m.example/f/1","type":"Follow", "actor":%q,"object":%q , "state":"pending"}`, actor, object)
	env, err := activitypub.ParseEnvelope(body)
	if err != nil {
		t.Fatal(err)
	}
	return env, body
}

func actorDoc(inbox string) *activitypub.Actor {
	return &activitypub.Actor{ID: "https://m.example/actor", Type: "Application", Inbox: inbox}
}

func TestFollow(t *testing.T) {
	known := func(s storage.SubscriberState) *storage.Subscriber {
		return &storage.Subscriber{Actor: "https://m.example/actor", State: s, Cursor: 5}
	}
	tests := []struct {
		name     string
		object   string
		inbox    string
		existing *storage.Subscriber
		approval bool
		state    storage.SubscriberState
		cursor   int64
		controls []storage.ControlKind
		refusal  Refusal
	}{
		{name: "Mastodon", object: activitypub.Public, state: storage.StateAccepting, cursor: 42, controls: []storage.ControlKind{storage.ControlAccept}},
		{name: "LitePub", object: "https://relay.example/actor", state: storage.StateAccepting, cursor: 42, controls: []storage.ControlKind{storage.ControlAccept, storage.ControlFollow}},
		{name: "waits for the operator", object: activitypub.Public, approval: true, state: storage.StatePending, cursor: 42},
		{name: "again while active", object: activitypub.Public, existing: known(storage.StateActive), approval: true, state: storage.StateActive, cursor: 5, controls: []storage.ControlKind{storage.ControlAccept}},
		{name: "again after leaving", object: activitypub.Public, existing: known(storage.StateLeft), state: storage.StateAccepting, cursor: 42, controls: []storage.ControlKind{storage.ControlAccept}},
		{name: "again while refused", object: activitypub.Public, existing: known(storage.StateRejected), state: storage.StateRejected, cursor: 5, controls: []storage.ControlKind{storage.ControlReject}},
		{name: "something else", object: "https://m.example/users/ann", refusal: RefuseObject},
		{name: "A32 inbox elsewhere", object: activitypub.Public, inbox: "https://victim.example/inbox", refusal: RefuseForeignInbox},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inbox := tt.inbox
			if inbox == "" {
				inbox = "https://m.example/inbox"
			}
			env, body := follow(t, "https://m.example/actor", tt.object)
			sub, controls, refusal, err := relay.Follow(Request{Envelope: env, Body: body, Actor: actorDoc(inbox), Existing: tt.existing, Approval: tt.approval, Head: 42, Now: now})
			if err != nil || refusal != tt.refusal {
				t.Fatalf("refusal %q, error %v; want refusal %q", refusal, err, tt.refusal)
			}
			if refusal != RefuseNone {
				if refusal.Sentence() == "" {
					t.Error("a refusal without a sentence")
				}
				return
			}
			if sub.State != tt.state || sub.Cursor != tt.cursor {
				t.Errorf("state %s, cursor %d; want %s, %d", sub.State, sub.Cursor, tt.state, tt.cursor)
			}
			var kinds []storage.ControlKind
			for _, c := range controls {
				kinds = append(kinds, c.Kind)
				if (c.Kind == storage.ControlAccept || c.Kind == storage.ControlReject) && !bytes.Contains(c.Body, body) {
					t.Errorf("the Follow is not echoed as it arrived: %s", c.Body)
				}
				if !json.Valid(c.Body) {
					t.Errorf("not JSON: %s", c.Body)
				}
			}
			if fmt.Sprint(kinds) != fmt.Sprint(tt.controls) {
				t.Errorf("controls %v, want %v", kinds, tt.controls)
			}
		})
	}
}

// A Follow is kept and echoed, so it is no place to store things.
func TestLargeFollow(t *testing.T) {
	env, body := follow(t, "https://m.example/actor", activitypub.Public)
	for size, want := range map[int]Refusal{len(body): RefuseNone, maxFollow: RefuseNone, maxFollow + 1: RefuseLarge} {
		padded := append(bytes.Repeat([]byte(" "), size-len(body)), body...)
		_, _, refusal, err := relay.Follow(Request{Envelope: env, Body: padded, Actor: actorDoc("https://m.example/inbox"), Now: now})
		if err != nil || refusal != want || want != RefuseNone && refusal.Sentence() == "" {
			t.Errorf("%d bytes: refusal %q, %v", size, refusal, err)
		}
	}
}

func TestUndo(t *testing.T) {
	active := &storage.Subscriber{Actor: "https://m.example/actor", FollowID: "https://m.example/f/1", State: storage.StateActive, FollowBackID: "https://relay.example/activities/1", Mutual: true, Inbox: "https://m.example/inbox"}
	undo := func(actor, inner string) *activitypub.Envelope {
		env, err := activitypub.ParseEnvelope(fmt.Appendf(nil, `{"id":"https://m.example/u/1","type":"Undo","actor":%q,"object":{"id":"https://m.example/f/1","type":"Follow","actor":%q,"object":"https://www.w3.org/ns/activitystreams#Public"}}`, actor, inner))
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	sub, controls, refusal, err := relay.Undo(undo(active.Actor, active.Actor), active, now)
	if err != nil || refusal != RefuseNone || sub.State != storage.StateLeft {
		t.Fatalf("own Follow: %+v, refusal %q, %v", sub, refusal, err)
	}
	if len(controls) != 1 || controls[0].Kind != storage.ControlUndo {
		t.Errorf("the Follow back is not undone: %+v", controls)
	}
	if _, _, refusal, _ := relay.Undo(undo(active.Actor, "https://other.example/actor"), active, now); refusal != RefuseInnerActor {
		t.Errorf("A4, another's Follow inside: %q", refusal)
	}
	if _, _, refusal, _ := relay.Undo(undo("https://other.example/actor", "https://other.example/actor"), active, now); refusal != RefuseUnknownFollow {
		t.Errorf("A3, by another: %q", refusal)
	}
	if _, _, refusal, _ := relay.Undo(undo(active.Actor, active.Actor), nil, now); refusal != RefuseUnknownFollow {
		t.Errorf("unknown: %q", refusal)
	}
}

// TestRefusedStaysRefused: leaving and coming back does not undo what the
// operator decided.
func TestRefusedStaysRefused(t *testing.T) {
	env, body := follow(t, "https://m.example/actor", activitypub.Public)
	refused := &storage.Subscriber{Actor: "https://m.example/actor", FollowID: env.ID, Follow: body, State: storage.StateRejected, Inbox: "https://m.example/inbox"}
	undo, err := activitypub.ParseEnvelope(fmt.Appendf(nil, `{"type":"Undo","actor":"https://m.example/actor","object":%s}`, body))
	if err != nil {
		t.Fatal(err)
	}
	left, controls, refusal, err := relay.Undo(undo, refused, now)
	if err != nil || refusal != RefuseNone || left.State != storage.StateRejected || len(controls) != 0 {
		t.Fatalf("left: %+v, %v, refusal %q, %v", left, controls, refusal, err)
	}
	back, controls, refusal, err := relay.Follow(Request{Envelope: env, Body: body, Actor: actorDoc("https://m.example/inbox"), Existing: left, Now: now})
	if err != nil || refusal != RefuseNone || back.State != storage.StateRejected {
		t.Fatalf("back: %+v, refusal %q, %v", back, refusal, err)
	}
	if len(controls) != 1 || controls[0].Kind != storage.ControlReject {
		t.Errorf("answered with %+v", controls)
	}
}

func TestAnswer(t *testing.T) {
	sub := &storage.Subscriber{Actor: "https://p.example/relay", FollowBackID: "https://relay.example/activities/1"}
	answer := func(typ, object string) *activitypub.Envelope {
		env, err := activitypub.ParseEnvelope(fmt.Appendf(nil, `{"type":%q,"actor":"https://p.example/relay","object":%q}`, typ, object))
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	if got, r := relay.Answer(answer("Accept", sub.FollowBackID), sub, now); r != RefuseNone || !got.Mutual {
		t.Errorf("accepted: %+v, %q", got, r)
	}
	if got, r := relay.Answer(answer("Reject", sub.FollowBackID), sub, now); r != RefuseNone || got.Mutual {
		t.Errorf("rejected: %+v, %q", got, r)
	}
	if _, r := relay.Answer(answer("Accept", "https://relay.example/activities/9"), sub, now); r != RefuseUnknownFollow {
		t.Errorf("another Follow: %q", r)
	}
}
