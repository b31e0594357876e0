package activitypub

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseActorRefuses(t *testing.T) {
	for doc, want := range map[string]error{
		`{"id":"https://a.example/u","type":"Note"}`:             ErrType,
		`{"id":"https://a.example/u"}`:                           ErrType,
		`{"type":"Person"}`:                                      ErrField,
		`{"id":1,"type":"Person"}`:                               ErrField,
		`{"id":"https://a.example/u","type":"Person","inbox":3}`: ErrField,
		`{"id":"https://a.example/u","type":"Person","inbox":"https://a.example/\r\nX: y"}`: ErrField,
		`{"id":"https://a.example/u","type":"Person","outbox":"https://a.example/ "}`:       ErrField,
	} {
		if a, err := ParseActor([]byte(doc)); !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v", doc, a, err)
		}
	}
}

func TestHandle(t *testing.T) {
	for _, c := range []struct{ id, user, want string }{
		{"https://A.example/users/x", "Mira", "mira@a.example"},
		{"https://a.example:8443/x", "mira", "mira@a.example:8443"},
		{"https://a.example/x", "", ""},
		{"https://a.example/x", "mi ra", ""},
		{"https://a.example/x", "mira@b.example", ""},
		{"https://a.example/x", "a\r\nb", ""},
		{"https://a.example/x", "空", "空@a.example"},
		{"nonsense", "mira", ""},
	} {
		a := &Actor{ID: c.id, Username: c.user}
		if got := a.Handle(); got != c.want {
			t.Errorf("%q at %q: %q, want %q", c.user, c.id, got, c.want)
		}
	}
}

func TestKeyByID(t *testing.T) {
	a := &Actor{Keys: []PublicKey{{ID: "https://a.example/u#one", PEM: "1"}, {ID: "https://a.example/u#two", PEM: "2"}}}
	if k, ok := a.KeyByID("https://a.example/u#two"); !ok || k.PEM != "2" {
		t.Errorf("%+v, %v", k, ok)
	}
	if k, ok := a.KeyByID("https://a.example/u"); ok {
		t.Errorf("%+v", k)
	}
}

func TestParseKey(t *testing.T) {
	const good = `{"@context":"https://w3id.org/security/v1","id":"https://a.example/key","type":"CryptographicKey","owner":"https://a.example/u","publicKeyPem":"PEM"}`
	k, err := ParseKey([]byte(good))
	if want := (PublicKey{ID: "https://a.example/key", Owner: "https://a.example/u", PEM: "PEM"}); err != nil || k != want {
		t.Errorf("%+v, %v", k, err)
	}
	for _, drop := range []string{`"id":"https://a.example/key",`, `"owner":"https://a.example/u",`, `,"publicKeyPem":"PEM"`} {
		if k, err := ParseKey([]byte(strings.Replace(good, drop, "", 1))); !errors.Is(err, ErrType) {
			t.Errorf("without %s: %+v, %v", drop, k, err)
		}
	}
	if _, err := ParseKey([]byte("[]")); !errors.Is(err, ErrJSON) {
		t.Error(err)
	}
}

func TestTypeOf(t *testing.T) {
	id, typ, err := TypeOf([]byte(`{"id":"https://a.example/u","type":["x:Thing","Person"]}`))
	if id != "https://a.example/u" || typ != "Person" || err != nil {
		t.Errorf("%q, %q, %v", id, typ, err)
	}
	if _, _, err := TypeOf([]byte(`{"a":1,"a":2}`)); !errors.Is(err, ErrDuplicateKey) {
		t.Error(err)
	}
}

func TestConsentSignals(t *testing.T) {
	for _, c := range []struct {
		name string
		a    *Actor
		want []string
	}{
		{"nobody", nil, nil},
		{"nothing", &Actor{Name: "nobot", Summary: "I am no bot; noindex"}, nil},
		{"name", &Actor{Name: "mira #NoBot"}, []string{"#nobot"}},
		{"text", &Actor{Summary: "(#noindex,#nosearch)#noarchive."}, []string{"#noindex", "#nosearch", "#noarchive"}},
		{"glued", &Actor{Summary: "x#nobridge"}, []string{"#nobridge"}},
		{"field name", &Actor{Fields: []Field{{Name: "#noresearch"}}}, []string{"#noresearch"}},
		{"field value", &Actor{Fields: []Field{{Value: "#nobot"}}}, []string{"#nobot"}},
		{"tag", &Actor{Tags: []string{"NOBOT"}}, []string{"#nobot"}},
		{"full width", &Actor{Summary: "＃ｎｏｂｏｔ"}, []string{"#nobot"}},
		{"longer word", &Actor{Summary: "#nobots #nobot_ever #noindexing"}, nil},
		{"each once", &Actor{Name: "#nobot", Summary: "#nobot", Tags: []string{"nobot"}}, []string{"#nobot"}},
	} {
		if got := ConsentSignals(c.a); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzParseActor(f *testing.F) {
	addDocuments(f, "actor")
	f.Fuzz(func(t *testing.T, doc []byte) {
		a, err := ParseActor(doc)
		if err != nil {
			return
		}
		if _, err := ParseIRI(a.ID); err != nil || !actorTypes[a.Type] {
			t.Fatalf("id %q, type %q", a.ID, a.Type)
		}
		for _, s := range []string{a.Inbox, a.SharedInbox, a.Outbox, a.Followers, a.Handle()} {
			if strings.ContainsAny(s, "\r\n\x00 ") {
				t.Fatalf("%q would break a header", s)
			}
		}
		if a.MovedTo != "" && cutID(a.MovedTo) == "" {
			t.Fatalf("moved to %q", a.MovedTo)
		}
		if len(a.Fields) > maxActorFields || len(a.Keys) > maxActorKeys || len(a.Tags) > maxActorTags || len(a.SearchableBy) > maxActorLists ||
			len(a.Name) > maxName || len(a.Username) > maxName || len(a.Summary) > maxText {
			t.Fatal("not cut off")
		}
		for _, signal := range ConsentSignals(a) {
			if !slices.Contains(optOuts, strings.TrimPrefix(signal, "#")) {
				t.Fatalf("signal %q", signal)
			}
		}
	})
}
