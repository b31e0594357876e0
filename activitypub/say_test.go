package activitypub

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

var testRelay = RelayActor{
	Multikey:     "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
	Domain:       "relay.example",
	BaseURL:      "https://relay.example",
	Name:         `The "first" relay \n of <Bücher> & 日本`,
	Summary:      "<p>Passes posts on.</p>\n",
	PublicKeyPEM: "-----BEGIN PUBLIC KEY-----\nMIIBIjAN\n-----END PUBLIC KEY-----\n",
	IconURL:      "https://relay.example/static/icon.png",
	Published:    time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC),
}

func decodeJSON(t *testing.T, doc []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return m
}

func TestRelayActorDocument(t *testing.T) {
	doc, err := testRelay.Document()
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "testdata/relay-actor.golden", decodeJSON(t, doc))

	// What Hark says, Hark understands.
	a, err := ParseActor(doc)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := a.KeyByID(testRelay.KeyID())
	if !ok || key.Owner != testRelay.ID() || key.PEM != testRelay.PublicKeyPEM {
		t.Errorf("key %+v, %v", key, ok)
	}
	if a.Inbox != "https://relay.example/inbox" || a.SharedInbox != a.Inbox || a.Type != "Application" || a.Handle() != testRelay.Handle() {
		t.Errorf("%+v", a)
	}
	if a.Name != testRelay.Name {
		t.Errorf("name %q", a.Name)
	}
}

// The contexts stand as bare strings, which is what simple readers look for.
func TestRelayActorContext(t *testing.T) {
	doc, err := testRelay.Document()
	if err != nil {
		t.Fatal(err)
	}
	context, ok := decodeJSON(t, doc)["@context"].([]any)
	if !ok || context[0] != "https://www.w3.org/ns/activitystreams" || context[1] != "https://w3id.org/security/v1" {
		t.Errorf("context %v", context)
	}
}

func TestRelayActorRefusesBadOptions(t *testing.T) {
	for name, change := range map[string]func(*RelayActor){
		"no base":           func(r *RelayActor) { r.BaseURL = "" },
		"base with a slash": func(r *RelayActor) { r.BaseURL += "/" },
		"base with a path":  func(r *RelayActor) { r.BaseURL += "/relay" },
		"base in capitals":  func(r *RelayActor) { r.BaseURL = "https://Relay.example" },
		"base with quotes":  func(r *RelayActor) { r.BaseURL = `https://relay.example","x":"` },
		"no domain":         func(r *RelayActor) { r.Domain = "" },
		"odd domain":        func(r *RelayActor) { r.Domain = "a@b" },
		"odd icon":          func(r *RelayActor) { r.IconURL = "icon.png" },
		"no key":            func(r *RelayActor) { r.PublicKeyPEM = "" },
	} {
		r := testRelay
		change(&r)
		if doc, err := r.Document(); err == nil {
			t.Errorf("%s: %s", name, doc)
		}
	}
	small := RelayActor{Domain: "127.0.0.1:8080", BaseURL: "http://127.0.0.1:8080", PublicKeyPEM: "x"}
	if _, err := small.Document(); err != nil {
		t.Errorf("the demo's actor: %v", err)
	}
}

// Accept and Reject carry the Follow byte for byte: its spacing, the order and
// escapes of its properties, and those that nobody knows.
func TestAnswersEchoTheFollow(t *testing.T) {
	for _, name := range []string{"mastodon-follow-relay", "misskey-follow-relay", "pleroma-follow-relay"} {
		follow := readFile(t, "testdata/activity/"+name+".json")
		follow = bytes.Replace(follow, []byte(`"type":"Follow"`), []byte(`"type" : "F\u006fllow", "big":12345678901234567890.10, "html":"<&>"`), 1)
		e, err := ParseEnvelope(follow)
		if err != nil {
			t.Fatal(err)
		}
		for typ, answer := range map[string]func(string, []byte, string) ([]byte, error){"Accept": testRelay.Accept, "Reject": testRelay.Reject} {
			doc, err := answer("https://relay.example/activities/1", follow, e.Actor)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseEnvelope(doc)
			if err != nil {
				t.Fatalf("%s: %v", doc, err)
			}
			if string(got.ObjectRaw) != string(bytes.TrimSpace(follow)) {
				t.Errorf("%s of %s: object is\n%s", typ, name, got.ObjectRaw)
			}
			if got.Type != typ || got.Actor != testRelay.ID() || got.ObjectID != e.ID || got.ObjectActor != e.Actor || len(got.To) != 1 || got.To[0] != e.Actor {
				t.Errorf("%s of %s: %+v", typ, name, got)
			}
			if contexts, ok := decodeJSON(t, doc)["@context"].([]any); !ok || contexts[0] != "https://www.w3.org/ns/activitystreams" {
				t.Errorf("%s: %s", typ, doc)
			}
		}
	}
}

func TestAnswersRefuse(t *testing.T) {
	follow := readFile(t, "testdata/activity/mastodon-follow-relay.json")
	for name, c := range map[string]struct {
		id     string
		follow []byte
		to     string
		want   error
	}{
		"no JSON":      {"https://relay.example/1", []byte(`{"type":"Follow"},"x":{`), "https://a.example/u", ErrJSON},
		"not a Follow": {"https://relay.example/1", readFile(t, "testdata/activity/mastodon-move.json"), "https://a.example/u", ErrField},
		"bad id":       {`https://relay.example/","x":"`, follow, "https://a.example/u", ErrIRI},
		"bad to":       {"https://relay.example/1", follow, `"`, ErrIRI},
		"no to":        {"https://relay.example/1", follow, "", ErrIRI},
	} {
		if doc, err := testRelay.Accept(c.id, c.follow, c.to); !errors.Is(err, c.want) {
			t.Errorf("%s: %s, %v", name, doc, err)
		}
	}
}

func TestFollowAndUndo(t *testing.T) {
	for object, to := range map[string]int{"https://b.example/relay": 1, Public: 0} {
		follow, err := testRelay.Follow("https://relay.example/follows/1", object)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ParseEnvelope(follow)
		if err != nil || e.Type != "Follow" || e.ObjectID != object || len(e.To) != to || e.IsPublicTo() {
			t.Errorf("%+v, %v", e, err)
		}
		undo, err := testRelay.Undo("https://relay.example/undos/1", follow)
		if err != nil {
			t.Fatal(err)
		}
		u, err := ParseEnvelope(undo)
		if err != nil || u.Type != "Undo" || u.ObjectID != e.ID || u.ObjectObjectID != object || !bytes.Equal(u.ObjectRaw, follow) || len(u.To) != to || u.IsPublicTo() {
			t.Errorf("%+v, %v", u, err)
		}
	}
	if doc, err := testRelay.Follow("https://relay.example/follows/1", "not an address"); !errors.Is(err, ErrIRI) {
		t.Errorf("%s, %v", doc, err)
	}
	foreign := readFile(t, "testdata/activity/mastodon-follow-relay.json")
	if doc, err := testRelay.Undo("https://relay.example/undos/1", foreign); !errors.Is(err, ErrField) {
		t.Errorf("undid a Follow of somebody else: %s, %v", doc, err)
	}
}

func TestAnnounce(t *testing.T) {
	const object = "https://a.example/Notes/1?x=1&y=日本#z"
	doc, err := testRelay.Announce("https://relay.example/announces/1", object, testRelay.Published)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseEnvelope(doc)
	if err != nil {
		t.Fatal(err)
	}
	if e.Type != "Announce" || e.ObjectID != object || e.ObjectInline || !e.IsPublicTo() || len(e.Cc) != 1 || e.Cc[0] != testRelay.FollowersURL() || !e.Published.Equal(testRelay.Published) {
		t.Errorf("%+v", e)
	}
	for _, bad := range []string{"", `https://a.example/","to":"x`, "https://a.example/\\", "https://a.example/\n"} {
		if doc, err := testRelay.Announce("https://relay.example/announces/1", bad, time.Time{}); !errors.Is(err, ErrIRI) {
			t.Errorf("%q: %s, %v", bad, doc, err)
		}
	}
}

func TestCollections(t *testing.T) {
	const id = "https://relay.example/followers"
	check := func(doc []byte, err error, want string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Replace(string(doc), `"@context":"https://www.w3.org/ns/activitystreams",`, "", 1); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	doc, err := OrderedCollection(id, 0, "")
	check(doc, err, `{"id":"https://relay.example/followers","type":"OrderedCollection","totalItems":0}`)
	doc, err = OrderedCollection(id, 3, id+"?page=1")
	check(doc, err, `{"id":"https://relay.example/followers","type":"OrderedCollection","first":"https://relay.example/followers?page=1","totalItems":3}`)
	doc, err = OrderedCollectionPage(id+"?page=1", id, "", 0, nil)
	check(doc, err, `{"id":"https://relay.example/followers?page=1","type":"OrderedCollectionPage","partOf":"https://relay.example/followers","totalItems":0,"orderedItems":[]}`)
	doc, err = OrderedCollectionPage(id+"?page=1", id, id+"?page=2", 3, []string{"https://a.example", "https://a.example/"})
	check(doc, err, `{"id":"https://relay.example/followers?page=1","type":"OrderedCollectionPage","partOf":"https://relay.example/followers","next":"https://relay.example/followers?page=2","totalItems":3,"orderedItems":["https://a.example","https://a.example/"]}`)
	for _, err := range []error{
		second(OrderedCollection("", 1, "")), second(OrderedCollection(id, 1, "x")),
		second(OrderedCollectionPage(id, `"`, "", 1, nil)), second(OrderedCollectionPage(id, id, "", 1, []string{"a b"})),
	} {
		if !errors.Is(err, ErrIRI) {
			t.Errorf("%v, want ErrIRI", err)
		}
	}
}

func second(_ []byte, err error) error { return err }
