package inbox

import (
	"strings"
	"testing"

	"hark/activitypub"
	"hark/storage"
)

const (
	public  = activitypub.Public
	author  = "https://a.example/users/ann"
	relayID = "https://relay.example/actor"
)

func envelope(t *testing.T, body string) *activitypub.Envelope {
	t.Helper()
	body = strings.NewReplacer("PUBLIC", public, "AUTHOR", author, "RELAY", relayID).Replace(body)
	env, err := activitypub.ParseEnvelope([]byte(body))
	if err != nil {
		t.Fatalf("envelope %s: %v", body, err)
	}
	return env
}

const noteInline = `"object":{"id":"https://a.example/notes/1","type":"Note","attributedTo":"AUTHOR","to":"PUBLIC","content":"x"}`

func TestDecide(t *testing.T) {
	member := Facts{Member: true, Relay: relayID}
	proven := Facts{Member: true, Proof: storage.ProofLD, Relay: relayID}
	with := func(f Facts, change func(*Facts)) Facts { change(&f); return f }
	tests := []struct {
		name   string
		body   string
		facts  Facts
		action Action
		reason Reason
	}{
		{"a group's announce of a Create", `{"type":"Announce","actor":"AUTHOR","object":{"id":"https://b.example/c/1","type":"Create","actor":"https://b.example/u","object":{"id":"https://b.example/post/1","type":"Page"}}}`,
			with(member, func(f *Facts) { f.Wrapper = true }), ActResolve, ReasonResolving},
		{"a person's announce of a Create", `{"type":"Announce","actor":"AUTHOR","to":"PUBLIC","object":{"id":"https://b.example/c/1","type":"Create","object":"https://b.example/post/1"}}`, proven, ActDrop, ReasonType},
		{"a group's announce of a Like", `{"type":"Announce","actor":"AUTHOR","object":{"id":"https://b.example/l/1","type":"Like","object":"https://b.example/post/1"}}`,
			with(member, func(f *Facts) { f.Wrapper = true }), ActDrop, ReasonType},
		{"a group's announce of a Create without an object", `{"type":"Announce","actor":"AUTHOR","object":{"id":"https://b.example/c/1","type":"Create"}}`,
			with(member, func(f *Facts) { f.Wrapper = true }), ActDrop, ReasonType},
		{"create public", `{"id":"https://a.example/1","type":"Create","actor":"AUTHOR","to":"PUBLIC",` + noteInline + `}`, member, ActRelay, ReasonRelayed},
		{"create public as a list", `{"type":"Create","actor":"AUTHOR","to":["https://a.example/f","as:Public"],` + noteInline + `}`, member, ActRelay, ReasonRelayed},
		{"create public in short", `{"type":"Create","actor":"AUTHOR","to":"Public",` + noteInline + `}`, member, ActRelay, ReasonRelayed},
		{"create quiet public", `{"type":"Create","actor":"AUTHOR","to":"https://a.example/f","cc":"PUBLIC",` + noteInline + `}`, member, ActDrop, ReasonUnlisted},
		{"create quiet public, allowed", `{"type":"Create","actor":"AUTHOR","to":"https://a.example/f","cc":"PUBLIC","object":{"id":"https://a.example/notes/1","type":"Note","to":"https://a.example/f","cc":"PUBLIC"}}`,
			with(member, func(f *Facts) { f.RelayUnlisted = true }), ActRelay, ReasonRelayed},
		{"create followers only", `{"type":"Create","actor":"AUTHOR","to":"https://a.example/f",` + noteInline + `}`, member, ActDrop, ReasonNotPublic},
		{"create direct", `{"type":"Create","actor":"AUTHOR","to":"https://b.example/users/bob",` + noteInline + `}`, member, ActDrop, ReasonNotPublic},
		{"wrapper public, object not", `{"type":"Create","actor":"AUTHOR","to":"PUBLIC","object":{"id":"https://a.example/notes/1","type":"Note","to":"https://a.example/f"}}`, member, ActDrop, ReasonNotPublic},
		{"create by a stranger", `{"type":"Create","actor":"AUTHOR","to":"PUBLIC",` + noteInline + `}`, Facts{}, ActDrop, ReasonNotMember},
		{"create by id", `{"type":"Create","actor":"AUTHOR","to":"PUBLIC","object":"https://a.example/notes/1"}`, member, ActResolve, ReasonResolving},
		{"create of a chat message", `{"type":"Create","actor":"AUTHOR","to":"PUBLIC","object":{"id":"https://a.example/c/1","type":"ChatMessage","to":"PUBLIC"}}`, member, ActDrop, ReasonType},
		{"update with proof", `{"type":"Update","actor":"AUTHOR","to":"PUBLIC",` + noteInline + `}`, proven, ActRelay, ReasonRelayed},
		{"update without proof", `{"type":"Update","actor":"AUTHOR","to":"PUBLIC",` + noteInline + `}`, member, ActKeep, ReasonKept},
		{"update that narrows a known post", `{"type":"Update","actor":"AUTHOR","to":"https://a.example/f","object":{"id":"https://a.example/notes/1","type":"Note","to":"https://a.example/f"}}`,
			with(member, func(f *Facts) { f.Known = true }), ActKeep, ReasonKept},
		{"update of a profile", `{"type":"Update","actor":"AUTHOR","to":"PUBLIC","object":{"id":"AUTHOR","type":"Person"}}`, proven, ActRelay, ReasonRelayed},
		{"delete known with proof", `{"type":"Delete","actor":"AUTHOR","object":{"id":"https://a.example/notes/1","type":"Tombstone"}}`,
			with(proven, func(f *Facts) { f.Known = true }), ActRelay, ReasonRelayed},
		{"delete known without proof", `{"type":"Delete","actor":"AUTHOR","object":"https://a.example/notes/1"}`,
			with(member, func(f *Facts) { f.Known = true }), ActKeep, ReasonKept},
		{"delete known by one who left", `{"type":"Delete","actor":"AUTHOR","object":"https://a.example/notes/1"}`, Facts{Known: true}, ActKeep, ReasonKept},
		{"delete unknown", `{"type":"Delete","actor":"AUTHOR","object":"https://a.example/notes/1"}`, member, ActDrop, ReasonUnknown},
		{"delete of the actor", `{"type":"Delete","actor":"AUTHOR","object":"AUTHOR","to":"PUBLIC"}`, member, ActKeep, ReasonKept},
		{"announce by a relay", `{"type":"Announce","actor":"AUTHOR","to":"https://a.example/followers","object":"https://c.example/notes/1"}`,
			with(member, func(f *Facts) { f.Wrapper = true }), ActResolve, ReasonResolving},
		{"announce of a blocked object", `{"type":"Announce","actor":"AUTHOR","to":"PUBLIC","object":"https://c.example/notes/1"}`,
			with(member, func(f *Facts) { f.Wrapper, f.ObjectBlocked = true, true }), ActDrop, ReasonObjectHost},
		{"announce by a stranger", `{"type":"Announce","actor":"AUTHOR","to":"PUBLIC","object":"https://c.example/notes/1"}`, Facts{Wrapper: true}, ActDrop, ReasonNotMember},
		{"announce of an activity", `{"type":"Announce","actor":"AUTHOR","to":"PUBLIC","object":{"id":"https://c.example/a/1","type":"Like"}}`,
			with(member, func(f *Facts) { f.Wrapper = true }), ActDrop, ReasonType},
		{"boost with proof", `{"type":"Announce","actor":"AUTHOR","to":"PUBLIC","object":"https://c.example/notes/1"}`, proven, ActForward, ReasonRelayed},
		{"boost without proof", `{"type":"Announce","actor":"AUTHOR","to":"PUBLIC","object":"https://c.example/notes/1"}`, member, ActDrop, ReasonBoostUnproof},
		{"undo of a boost", `{"type":"Undo","actor":"AUTHOR","to":"PUBLIC","object":{"id":"https://a.example/b/1","type":"Announce","actor":"AUTHOR","to":"PUBLIC"}}`, proven, ActForward, ReasonRelayed},
		{"undo of a follow", `{"type":"Undo","actor":"AUTHOR","object":{"id":"https://a.example/f/1","type":"Follow","actor":"AUTHOR"}}`,
			with(member, func(f *Facts) { f.Unfollows = true }), ActUnfollow, ReasonUnsubscribed},
		{"block of the relay", `{"type":"Block","actor":"AUTHOR","object":"RELAY"}`, Facts{Relay: relayID}, ActKeep, ReasonKept},
		{"block of somebody", `{"type":"Block","actor":"AUTHOR","object":"https://b.example/users/bob"}`, member, ActDrop, ReasonType},
		{"like", `{"type":"Like","actor":"AUTHOR","to":"PUBLIC","object":"https://c.example/notes/1"}`, proven, ActDrop, ReasonType},
		{"flag", `{"type":"Flag","actor":"AUTHOR","object":"https://c.example/notes/1"}`, proven, ActDrop, ReasonType},
		{"move without proof", `{"type":"Move","actor":"AUTHOR","object":"AUTHOR","target":"https://b.example/users/ann"}`, member, ActDrop, ReasonType},
		{"follow", `{"type":"Follow","actor":"AUTHOR","object":"PUBLIC"}`, Facts{}, ActFollow, ReasonSubscribed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			action, reason := Decide(envelope(t, tt.body), tt.facts)
			if action != tt.action || reason != tt.reason {
				t.Errorf("got %s (%s), want %s (%s)", action, reason, tt.action, tt.reason)
			}
		})
	}
}

func TestAuthorise(t *testing.T) {
	signed := Authority{Signer: author}
	create := `{"id":"https://a.example/1","type":"Create","actor":"AUTHOR","to":"PUBLIC",` + noteInline + `}`
	tests := []struct {
		name string
		body string
		a    Authority
		want Reason
	}{
		{"by its actor", create, signed, ReasonRelayed},
		{"A1 by another host", create, Authority{Signer: "https://b.example/users/bob"}, ReasonActor},
		{"A2 by a neighbour", create, Authority{Signer: "https://a.example/users/eve"}, ReasonActor},
		{"delivered by another with proof", create, Authority{Signer: "https://b.example/actor", Proof: storage.ProofLD, Prover: author}, ReasonRelayed},
		{"proof by another", create, Authority{Signer: "https://b.example/actor", Proof: storage.ProofLD, Prover: "https://b.example/users/bob"}, ReasonActor},
		{"A23 activity id elsewhere", `{"id":"https://b.example/1","type":"Create","actor":"AUTHOR",` + noteInline + `}`, signed, ReasonOrigin},
		{"A23 object id elsewhere", `{"id":"https://a.example/1","type":"Create","actor":"AUTHOR","object":{"id":"https://b.example/n","type":"Note","attributedTo":"AUTHOR"}}`, signed, ReasonOrigin},
		{"object by a neighbour", `{"id":"https://a.example/1","type":"Create","actor":"AUTHOR","object":{"id":"https://a.example/n","type":"Note","attributedTo":"https://a.example/users/eve"}}`, signed, ReasonActor},
		{"A25 delete elsewhere", `{"id":"https://a.example/1","type":"Delete","actor":"AUTHOR","object":"https://b.example/n"}`, signed, ReasonOrigin},
		{"profile of a neighbour", `{"id":"https://a.example/1","type":"Update","actor":"AUTHOR","object":{"id":"https://a.example/users/eve","type":"Person"}}`, signed, ReasonActor},
		{"A4 undo of another's follow", `{"id":"https://a.example/1","type":"Undo","actor":"AUTHOR","object":{"type":"Follow","id":"https://b.example/f","actor":"https://b.example/users/bob"}}`, signed, ReasonInnerActor},
		{"move of another", `{"id":"https://a.example/1","type":"Move","actor":"AUTHOR","object":"https://a.example/users/eve"}`, signed, ReasonActor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Authorise(envelope(t, tt.body), tt.a); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestEveryReasonHasAStatusAndASentence(t *testing.T) {
	for _, r := range Reasons() {
		if r.Sentence() == "" || r.Status() < 200 || r.Status() > 599 {
			t.Errorf("reason %q: status %d, sentence %q", r, r.Status(), r.Sentence())
		}
	}
	for _, m := range errorReasons {
		if m.reason.Status() < 400 {
			t.Errorf("%v leads to %q, which is not a refusal", m.err, m.reason)
		}
	}
}
