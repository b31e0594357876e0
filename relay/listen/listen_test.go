package listen

import (
	"math/bits"
	"testing"
	"time"

	"hark/activitypub"
	"hark/storage"
	"hark/storage/query"
)

func TestConsent(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name  string
		level Level
		actor *activitypub.Actor
		keep  bool
		rule  string
	}{
		{"says nothing", OptOut, &activitypub.Actor{}, true, "no-opt-out"},
		{"says nothing, opt-in", OptIn, &activitypub.Actor{}, false, "no-opt-in"},
		{"indexable", OptIn, &activitypub.Actor{Indexable: &yes}, true, "indexable"},
		{"not indexable", OptOut, &activitypub.Actor{Indexable: &no}, false, "not-indexable"},
		{"searchable by the public", OptIn, &activitypub.Actor{HasSearchableBy: true, SearchableBy: []string{"as:Public"}}, true, "searchable-by"},
		{"searchable by followers", OptOut, &activitypub.Actor{HasSearchableBy: true, SearchableBy: []string{"https://a.example/f"}}, false, "searchable-by"},
		{"searchable by nobody", OptOut, &activitypub.Actor{HasSearchableBy: true}, false, "searchable-by"},
		{"#nobot in the profile", OptOut, &activitypub.Actor{Summary: "hi #NoBot"}, false, "profile-#nobot"},
		{"#noindex in the name", OptOut, &activitypub.Actor{Name: "Ann #noindex"}, false, "profile-#noindex"},
		{"the strictest wins", OptOut, &activitypub.Actor{Indexable: &yes, Summary: "#noarchive"}, false, "profile-#noarchive"},
		{"searchable but not indexable", OptOut, &activitypub.Actor{Indexable: &no, HasSearchableBy: true, SearchableBy: []string{"as:Public"}}, false, "not-indexable"},
		{"for who has signed in", OptOut, &activitypub.Actor{SignInRequired: true, Indexable: &yes}, false, "sign-in-required"},
		{"public level", Public, &activitypub.Actor{Indexable: &no, Summary: "#nobot"}, true, "public"},
		{"unknown", OptOut, nil, false, "actor-unknown"},
		{"unknown, public level", Public, nil, false, "actor-unknown"},
	}
	for _, tt := range tests {
		keep, rule := Consent(tt.level, tt.actor)
		if keep != tt.keep || rule != tt.rule {
			t.Errorf("%s: %v %q, want %v %q", tt.name, keep, rule, tt.keep, tt.rule)
		}
	}
}

func TestSimHash(t *testing.T) {
	const text = "the river is over its banks at mill lane and people are being taken to the school on the hill"
	a := SimHash(text)
	if d := bits.OnesCount64(a ^ SimHash(text+" now")); d > 8 {
		t.Errorf("one word more: %d bits", d)
	}
	if d := bits.OnesCount64(a ^ SimHash("completely other words about bread and bicycles that share nothing with it at all today")); d < 16 {
		t.Errorf("another text: %d bits", d)
	}
	if SimHash("") != 0 || SimHash(text) != a {
		t.Error("not a function of the text")
	}
}

func TestPostOf(t *testing.T) {
	received := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	e := &storage.Entry{Received: received, Via: "relay.example", Body: []byte("body"), Object: []byte("object"), ActivityID: "https://relay.example/1"}
	note := &activitypub.Note{
		ID: "https://a.example/n/1", Type: "Note", AttributedTo: "https://a.example/users/ann", Text: "hi",
		Published: received.Add(time.Hour), Tags: []string{"Storm", "ＳＴＯＲＭ", "Café"},
		Mentions: []activitypub.Mention{{Handle: "@Bob@B.example"}, {Handle: "@carl", Href: "https://c.example/@carl"}},
	}
	p := postOf(note, e, &activitypub.Actor{ID: note.AttributedTo, Username: "Ann", Name: "Ann", Bot: true}, "mastodon")
	if !p.Published.Equal(received) {
		t.Errorf("a date in the future is believed: %s", p.Published)
	}
	if len(p.Tags) != 2 || p.Tags[0] != "storm" || p.Tags[1] != "café" {
		t.Errorf("tags %q", p.Tags)
	}
	if len(p.Mentions) != 2 || p.Mentions[0] != "bob@b.example" || p.Mentions[1] != "carl@c.example" {
		t.Errorf("mentions %q", p.Mentions)
	}
	if p.Host != "a.example" || p.Via != "relay.example" || p.Software != "mastodon" || !p.Bot || p.Handle != "ann@a.example" || string(p.Raw) != "object" || p.Evidence.Scheme != "origin" {
		t.Errorf("%+v", p)
	}
}

// TestSlowReaderIsCut: a reader that does not read loses its channel and
// slows nobody; one that does gets what matches.
func TestSlowReaderIsCut(t *testing.T) {
	h := NewHub()
	all := query.Parse("", query.Options{})
	slow, cancelSlow := h.Listen(all)
	defer cancelSlow()
	storm, cancel := h.Listen(query.Parse("storm", query.Options{}))
	defer cancel()
	for i := range hubBuffer + 10 {
		text := "bread"
		if i%100 == 0 {
			text = "a storm"
		}
		h.Publish(Event{Kind: EventPost, ID: int64(i), Post: &storage.Post{Text: text}})
	}
	n := 0
	for range slow { // ends, because it was closed
		n++
	}
	if n != hubBuffer {
		t.Errorf("the slow reader got %d before it was cut", n)
	}
	h.Publish(Event{Kind: EventDelete, ID: 1})
	h.Publish(Event{Kind: EventUpdate, ID: 2, Post: &storage.Post{Text: "bread, edited"}})
	h.Close()
	got, deleted := 0, 0
	for e := range storm {
		if e.Kind == EventDelete {
			deleted++
		} else {
			got++
		}
	}
	if got != 6 || deleted != 2 { // one deleted, one edited out of the view
		t.Errorf("the other got %d posts and %d deletions", got, deleted)
	}
	if c, _ := h.Listen(all); c != nil {
		if _, open := <-c; open {
			t.Error("a closed hub still has readers")
		}
	}
}
