package neighbourhood

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// facing starts one instance of each kind, and beside each a Mastodon-like one
// that they take for their relay: its instance actor stands where a relay's
// actor does.
func facing(t *testing.T, kind Kind) (as *Instance, in *Instance) {
	t.Helper()
	o := map[Kind]Options{Mastodon: {Mastodon: 1}, Pleroma: {Pleroma: 1}, Misskey: {Misskey: 1}}[kind]
	there, here := start(t, o), start(t, Options{Mastodon: 1})
	as, in = here.Instances()[0], there.Instances()[0]
	here.o.Relay, there.o.Relay = in.Origin(), as.Origin()
	return as, in
}

// last is what the instance noted of its newest delivery.
func last(t *testing.T, in *Instance) Received {
	t.Helper()
	rs := in.Received()
	if len(rs) == 0 {
		t.Fatal("nothing arrived")
	}
	return rs[len(rs)-1]
}

// TestForward: Mastodon and Misskey believe a forward that its author has
// signed, and nothing that was changed since; Pleroma takes none.
func TestForward(t *testing.T) {
	elsewhere := start(t, Options{Mastodon: 1, Misskey: 1})
	for _, kind := range []Kind{Mastodon, Pleroma, Misskey} {
		as, in := facing(t, kind)
		for _, from := range elsewhere.Instances() {
			o := object{post: Post{Entry: Entry{Text: "Frost on the kale.", Lang: "en", Tags: []string{"garden"}}}, made: time.Now().UTC()}
			a := from.authors[0]
			note, err := from.write(from.objectID(a), &o, nil)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := json.Marshal(from.withContext(map[string]any{
				"id": note["id"].(string) + "/activity", "type": "Create", "actor": a.id, "to": note["to"], "cc": note["cc"], "object": note,
			}))
			if err != nil {
				t.Fatal(err)
			}
			signed, err := sig.SignLD(plain, keyOf(a.id), from.private, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			noFragment, err := sig.SignLD(plain, a.id, from.private, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			byAnother, err := sig.SignLD(plain, keyOf(from.authors[1].id), from.private, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for name, tt := range map[string]struct {
				body  []byte
				taken bool
			}{
				"as signed":           {signed, true},
				"without a signature": {plain, false},
				"changed":             {bytes.Replace(signed, []byte("Frost"), []byte("Frogs"), 1), false},
				"keyId is no key":     {noFragment, false},
				"signed by another":   {byAnother, false},
			} {
				status, _, err := as.SendRaw(t.Context(), tt.body, RawOptions{})
				if err != nil || status != http.StatusAccepted {
					t.Fatalf("%d, %v", status, err)
				}
				r := last(t, in)
				if want := tt.taken && kind != Pleroma; r.Verified != want || r.Form != FormForward || r.Verified != (r.Reason == "") {
					t.Errorf("%s at %s, %s: %v, %q", from.Kind(), kind, name, r.Verified, r.Reason)
				}
				if r.KeyID != as.keyID() || r.ObjectID != note["id"] || !bytes.Equal(r.Body, tt.body) {
					t.Errorf("noted %+v", r)
				}
			}
		}
	}
}

// TestAnnounced: an Announce is believed by what its object is at its origin.
func TestAnnounced(t *testing.T) {
	elsewhere := start(t, Options{Mastodon: 1, Pleroma: 1, Secure: 1})
	elsewhere.o.Relay = elsewhere.Instances()[1].Origin() // refuses, which does not matter: the posts are served
	as, in := facing(t, Pleroma)
	for _, from := range elsewhere.Instances() {
		ids := map[string]string{"gone": from.Origin() + "/objects/none", "of another type": from.ActorURI()}
		for name, audience := range map[string]Audience{"public": Public, "unlisted": Unlisted, "followers": Followers} {
			sent, err := from.Publish(t.Context(), Post{Entry: Corpus()[0], Audience: audience})
			if err != nil {
				t.Fatal(err)
			}
			ids[name] = sent.ObjectID
		}
		for name, id := range ids {
			for _, by := range []string{as.ActorURI(), from.ActorURI()} {
				body, err := json.Marshal(map[string]any{"id": as.Origin() + "/announce/" + name, "type": "Announce", "actor": by, "object": id, "to": activitypub.Public})
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := as.SendRaw(t.Context(), body, RawOptions{}); err != nil {
					t.Fatal(err)
				}
				if r := last(t, in); r.Verified != (name == "public" && by == as.ActorURI()) {
					t.Errorf("%s, %s, by %s: %v, %q", from.Kind(), name, by, r.Verified, r.Reason)
				}
			}
		}
		for _, f := range from.Fetched() {
			if f.Path != "/actor" && f.Path != "/relay" && f.KeyID == "" {
				t.Errorf("fetched without a signature: %+v", f)
			}
		}
	}
	// Mastodon finds its relay by the inbox that its admin typed, which is not
	// this one's.
	as, in = facing(t, Mastodon)
	body := []byte(`{"id":"` + as.Origin() + `/announce/1","type":"Announce","actor":"` + as.ActorURI() + `","object":"` + elsewhere.Instances()[0].lastObject() + `"}`)
	if _, _, err := as.SendRaw(t.Context(), body, RawOptions{}); err != nil {
		t.Fatal(err)
	}
	if r := last(t, in); r.Verified || !strings.Contains(r.Reason, "inbox") {
		t.Errorf("%+v", r)
	}
}

// TestAccept: only an Accept of the Follow that was sent, by the relay, counts;
// Misskey wants it verbatim.
func TestAccept(t *testing.T) {
	for _, kind := range []Kind{Mastodon, Pleroma, Misskey} {
		as, in := facing(t, kind)
		in.follow = []byte(`{"id":"` + in.Origin() + `/f/1","type":"Follow","actor":"a","object":"o","list":[1,2]}`)
		in.followID = in.Origin() + "/f/1"
		for _, tt := range []struct {
			name, object, actor string
			taken               bool
		}{
			{"of another", `"` + in.Origin() + `/f/2"`, as.ActorURI(), false},
			{"by another", string(in.follow), as.Origin() + "/users/x", false},
			{"shortened", `{"id":"` + in.Origin() + `/f/1","type":"Follow"}`, as.ActorURI(), kind != Misskey},
			{"verbatim, rearranged", `{"list":[1,2],"object":"o","actor":"a","type":"Follow","id":"` + in.Origin() + `/f/1"}`, as.ActorURI(), true},
		} {
			in.accepted = false
			body := `{"id":"` + as.Origin() + `/accept","type":"Accept","actor":"` + tt.actor + `","object":` + tt.object + `}`
			if _, _, err := as.SendRaw(t.Context(), []byte(body), RawOptions{}); err != nil {
				t.Fatal(err)
			}
			if r := last(t, in); r.Verified != tt.taken || in.accepted != tt.taken || r.Form != FormControl {
				t.Errorf("%s, %s: %+v", kind, tt.name, r)
			}
		}
	}
}

// TestLimits: Misskey refuses what is over 64 KiB, others take it.
func TestLimits(t *testing.T) {
	for kind, want := range map[Kind]int{Mastodon: http.StatusAccepted, Misskey: http.StatusRequestEntityTooLarge} {
		as, _ := facing(t, kind)
		body := []byte(`{"id":"x","type":"Create","actor":"a","object":"` + strings.Repeat("x", misskeyBody) + `"}`)
		if status, _, err := as.SendRaw(t.Context(), body, RawOptions{}); err != nil || status != want {
			t.Errorf("%s: %d, %v", kind, status, err)
		}
	}
}

// TestBehaviour: an instance fails as it is told, and slow answers end with it.
func TestBehaviour(t *testing.T) {
	as, in := facing(t, Mastodon)
	in.SetBehaviour(func(*http.Request) (int, time.Duration, http.Header) {
		return http.StatusTooManyRequests, 0, http.Header{"Retry-After": {"7"}}
	})
	if status, _, err := as.SendRaw(t.Context(), []byte(`{}`), RawOptions{}); err != nil || status != http.StatusTooManyRequests {
		t.Errorf("%d, %v", status, err)
	}
	in.SetBehaviour(func(*http.Request) (int, time.Duration, http.Header) { return 0, time.Hour, nil })
	reached, release := in.hold()
	sent, closed := make(chan struct{}), make(chan error, 1)
	go func() { // the test waits for it below
		defer close(sent)
		_, _, _ = as.SendRaw(t.Context(), []byte(`{}`), RawOptions{})
	}()
	<-reached
	go func() { closed <- in.n.Close() }() // the test waits for it below
	select {
	case <-closed:
		t.Error("Close returned while a delivery was at work")
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if r := in.Received(); len(r) != 1 || r[0].Verified {
		t.Errorf("noted %+v", r)
	}
	if err := in.n.Close(); err != nil {
		t.Error(err)
	}
	<-sent
}

// hold lets the next delivery wait for release; the delay that its answer was
// told to have comes after.
func (in *Instance) hold() (reached, release chan struct{}) {
	reached, release = make(chan struct{}), make(chan struct{})
	told := in.behaviour
	in.SetBehaviour(func(r *http.Request) (int, time.Duration, http.Header) {
		close(reached)
		<-release
		return told(r)
	})
	return reached, release
}
