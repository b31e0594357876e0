package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
	"hark/relay"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/query"
)

// kept publishes a post of the first instance and waits until it is stored.
func (s *scene) kept(t *testing.T, author int) neighbourhood.Sent {
	t.Helper()
	e := entry(t, func(e neighbourhood.Entry) bool { return e.Lang == "en" && e.CW == "" && len(e.Text) > 40 })
	sent, err := s.in.Publish(t.Context(), neighbourhood.Post{Entry: e, Author: author})
	if err != nil || sent.Status != http.StatusAccepted {
		t.Fatalf("%+v, %v", sent, err)
	}
	s.settled(t)
	if _, err := s.store.GetPostByURI(t.Context(), sent.ObjectID); err != nil {
		t.Fatalf("not stored: %v", err)
	}
	return sent
}

// raw sends as an author of the first instance.
func (s *scene) raw(t *testing.T, author int, body []byte) answered {
	t.Helper()
	status, text, err := s.in.SendRaw(t.Context(), body, neighbourhood.RawOptions{KeyID: s.in.AuthorURI(author) + "#main-key"})
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ Reason string }
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("%d %s", status, text)
	}
	return answered{status: status, reason: p.Reason, text: text}
}

// TestForgedChanges (A25): nobody but its author edits or deletes a post, not
// even an actor of the same origin; the post stays what it was.
func TestForgedChanges(t *testing.T) {
	s := attacked(t, func(o *relay.Options) { o.Consent = relay.ConsentPublic })
	eve := s.join(t, s.lair)
	sent := s.kept(t, 0)
	author, neighbour := s.in.AuthorURI(0), s.in.AuthorURI(1)
	before, err := s.store.GetPostByURI(t.Context(), sent.ObjectID)
	if err != nil {
		t.Fatal(err)
	}
	s.now(t)
	note := func(by string) map[string]any {
		return map[string]any{"id": sent.ObjectID, "type": "Note", "attributedTo": by, "to": activitypub.Public, "content": "forged"}
	}
	for _, tt := range []struct {
		name   string
		l      letter
		status int
		reason string
	}{
		{"Delete by a stranger", letter{body: activityBy("Delete", eve, sent.ObjectID)}, 403, "origin"},
		{"Delete of a Tombstone by a stranger", letter{body: activityBy("Delete", eve, map[string]any{"id": sent.ObjectID, "type": "Tombstone"})}, 403, "origin"},
		{"Update by a stranger", letter{body: activityBy("Update", eve, note(eve))}, 403, "origin"},
		{"Update in the author's name", letter{body: activityBy("Update", author, note(author))}, 401, "actor"},
		{"Update by a stranger of the author's", letter{body: activityBy("Update", eve, note(author))}, 403, "origin"},
		{"Create again by a stranger", letter{body: noteBy(eve, s.lair.url, func(_, n map[string]any) { n["id"] = sent.ObjectID })}, 403, "origin"},
		{"Undo of the Create", letter{body: activityBy("Undo", eve, map[string]any{"id": sent.ActivityID, "type": "Create", "actor": author, "object": sent.ObjectID})}, 403, "inner-actor"},
		{"Undo of the Create as one's own", letter{body: activityBy("Undo", eve, map[string]any{"id": sent.ActivityID, "type": "Create", "object": sent.ObjectID})}, 202, "type"},
		{"Remove", letter{body: activityBy("Remove", eve, sent.ObjectID)}, 202, "type"},
		{"Block of the author", letter{body: activityBy("Block", eve, author)}, 202, "type"},
		{"Flag of the author", letter{body: activityBy("Flag", eve, []string{author, sent.ObjectID})}, 202, "type"},
		{"Block of the relay in the author's name", letter{body: activityBy("Block", author, s.n.BaseURL()+"/actor")}, 401, "actor"},
		{"Delete of a post that is only in the index, by id", letter{body: activityBy("Delete", eve, s.in.Origin()+"/n/never")}, 403, "origin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.l.keyID = eve + "#main-key"
			send(t, s.n, tt.l).want(t, tt.status, tt.reason)
		})
	}
	s.untouched(t)
	// The neighbour's word is heard, for a server may move a post between its
	// accounts, and changes nothing.
	s.raw(t, 1, activityBy("Delete", neighbour, sent.ObjectID)).want(t, 202, "kept")
	s.raw(t, 1, activityBy("Update", neighbour, note(neighbour))).want(t, 202, "kept")
	s.raw(t, 1, activityBy("Update", neighbour, note(author))).want(t, 401, "actor")
	s.raw(t, 1, noteBy(neighbour, s.in.Origin(), func(_, n map[string]any) { n["id"] = sent.ObjectID })).want(t, 202, "duplicate")
	s.settled(t)
	after, err := s.store.GetPostByURI(t.Context(), sent.ObjectID)
	if err != nil || after.Text != before.Text || after.Actor != author || !after.Edited.Equal(before.Edited) {
		t.Errorf("the post is %+v, %v", after, err)
	}
}

// TestForgedProofs (A15): a proof carries an activity only as far as what was
// signed. What was altered is its deliverer's word, which for another's
// activity is nothing.
func TestForgedProofs(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	author := s.lair.person("/author", nil)
	mallory := newLair(t)
	carrier := s.join(t, mallory)
	proven := func(at time.Time, change func(map[string]any)) []byte {
		body, err := sig.SignLD(noteBy(author, s.lair.url, nil), author+"#main-key", foe(), at)
		if err != nil {
			t.Fatal(err)
		}
		if change == nil {
			return body
		}
		var doc map[string]any
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		change(doc)
		return marshal(doc)
	}
	now := time.Now().UTC()
	note := func(d map[string]any) map[string]any { return d["object"].(map[string]any) }
	s.now(t)
	for name, body := range map[string][]byte{
		"another text":                 proven(now, func(d map[string]any) { note(d)["content"] = "forged" }),
		"another graph":                proven(now, func(d map[string]any) { d["@graph"] = []any{map[string]any{"id": s.lair.url + "/x"}} }),
		"included":                     proven(now, func(d map[string]any) { d["@included"] = []any{} }),
		"reversed":                     proven(now, func(d map[string]any) { d["@reverse"] = map[string]any{} }),
		"an entry more":                proven(now, func(d map[string]any) { note(d)["searchableBy"] = []any{} }),
		"an entry less":                proven(now, func(d map[string]any) { delete(note(d), "published") }),
		"another audience":             proven(now, func(d map[string]any) { d["cc"] = []string{eve} }),
		"another context":              proven(now, func(d map[string]any) { d["@context"] = s.lair.url + "/context" }),
		"a context more":               proven(now, func(d map[string]any) { d["@context"] = []any{d["@context"], map[string]any{"content": "as:summary"}} }),
		"a context inside":             proven(now, func(d map[string]any) { note(d)["@context"] = map[string]any{"content": "as:summary"} }),
		"expired":                      proven(now.Add(-72*time.Hour), nil),
		"signed by a neighbour":        proven(now, func(d map[string]any) { d["signature"].(map[string]any)["creator"] = eve + "#main-key" }),
		"signed by the one who brings": proven(now, func(d map[string]any) { d["signature"].(map[string]any)["creator"] = carrier + "#main-key" }),
		"a signature of another type":  proven(now, func(d map[string]any) { d["signature"].(map[string]any)["type"] = "RsaSignature2015" }),
		"a proof beside it":            proven(now, func(d map[string]any) { d["proof"] = map[string]any{"type": "DataIntegrityProof"} }),
		"no signature":                 proven(now, func(d map[string]any) { delete(d, "signature") }),
	} {
		t.Run(name, func(t *testing.T) {
			send(t, s.n, letter{body: body, keyID: carrier + "#main-key"}).want(t, 401, "actor")
		})
	}
	s.untouched(t)
	send(t, s.n, letter{body: proven(now, nil), keyID: carrier + "#main-key"}).want(t, 202, "relayed")
}

// TestNotPublic (A26): what is not addressed to the public is neither relayed
// nor kept, however it is written, and whoever sends it.
func TestNotPublic(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	s.now(t)
	followers := eve + "/followers"
	for _, tt := range []struct {
		name   string
		change func(a, n map[string]any)
		reason string
	}{
		{"Public only in cc", func(a, n map[string]any) {
			a["to"], a["cc"], n["to"] = followers, activitypub.Public, followers
			n["cc"] = activitypub.Public
		}, "unlisted"},
		{"as:Public only in the cc of the post", func(_, n map[string]any) { n["to"], n["cc"] = followers, "as:Public" }, "unlisted"},
		{"followers only", func(a, n map[string]any) { a["to"], n["to"] = followers, followers }, "not-public"},
		{"direct", func(a, n map[string]any) { a["to"], n["to"] = s.in.AuthorURI(0), s.in.AuthorURI(0) }, "not-public"},
		{"nobody", func(a, n map[string]any) { delete(a, "to"); delete(n, "to") }, "not-public"},
		{"the post is for followers, the activity is public", func(_, n map[string]any) { n["to"] = followers }, "not-public"},
		{"the activity is for followers, the post is public", func(a, _ map[string]any) { a["to"] = followers }, "not-public"},
		{"Public in bto", func(a, n map[string]any) { a["to"], n["to"], a["bto"] = followers, followers, activitypub.Public }, "not-public"},
		{"everybody who has signed in (FEP-7502)", func(a, n map[string]any) {
			a["to"], n["to"] = "http://www.w3.org/ns/auth/acl#AuthenticatedAgent", "http://www.w3.org/ns/auth/acl#AuthenticatedAgent"
		}, "not-public"},
		{"public, in small letters", func(a, n map[string]any) { a["to"], n["to"] = "as:public", "as:public" }, "not-public"},
		{"a public of one's own", func(a, n map[string]any) {
			a["to"], n["to"] = s.lair.url+"/ns/activitystreams#Public", s.lair.url+"/ns/activitystreams#Public"
		}, "not-public"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send(t, s.n, letter{body: noteBy(eve, s.lair.url, tt.change), keyID: eve + "#main-key"}).want(t, 202, tt.reason)
		})
	}
	s.untouched(t)
}

// TestWithdrawn (A27): whichever way authors take back what they said or that
// it may be kept, it is gone from the search, from what an export reads and
// from the journal's reader, and what others wrote stays.
func TestWithdrawn(t *testing.T) {
	s := attacked(t, nil)
	withdraw := map[string]func(author, post string) []byte{
		"delete": func(a, p string) []byte {
			return activityBy("Delete", a, map[string]any{"id": p, "type": "Tombstone"})
		},
		"delete-bare":  func(a, p string) []byte { return activityBy("Delete", a, p) },
		"delete-actor": func(a, _ string) []byte { return activityBy("Delete", a, a) },
		"block":        func(a, _ string) []byte { return activityBy("Block", a, s.n.BaseURL()+"/actor") },
		"indexable": func(a, _ string) []byte {
			return activityBy("Update", a, json.RawMessage(actorDocument(a, &foe().PublicKey, func(d map[string]any) { d["indexable"] = false })))
		},
		"searchable-by": func(a, _ string) []byte {
			return activityBy("Update", a, json.RawMessage(actorDocument(a, &foe().PublicKey, func(d map[string]any) { d["searchableBy"] = []string{a + "/followers"} })))
		},
		"profile-tag": func(a, _ string) []byte {
			return activityBy("Update", a, json.RawMessage(actorDocument(a, &foe().PublicKey, func(d map[string]any) { d["summary"] = "<p>#nobot</p>" })))
		},
		"followers-only": func(a, p string) []byte {
			u := activityBy("Update", a, map[string]any{"id": p, "type": "Note", "attributedTo": a, "to": a + "/followers", "content": "withdrawn"})
			return []byte(strings.Replace(string(u), `"`+activitypub.Public+`"`, `"`+a+`/followers"`, 1))
		},
	}
	s.join(t, s.lair)
	found := func() []string {
		t.Helper()
		q := query.Parse("withdrawable", query.Options{Now: time.Now()})
		hits, err := s.store.Search(t.Context(), q, storage.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var search, export []string
		for i := range hits.Posts {
			search = append(search, hits.Posts[i].URI)
		}
		if err := s.store.Each(t.Context(), q, func(p *storage.Post) error {
			export = append(export, p.URI)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(search)
		slices.Sort(export)
		if !slices.Equal(search, export) {
			t.Errorf("searched %v, exported %v", search, export)
		}
		return search
	}
	author, post := map[string]string{}, map[string]string{}
	for name := range withdraw {
		a := s.lair.person("/"+name, func(d map[string]any) { d["indexable"] = true })
		body := noteBy(a, s.lair.url, func(_, n map[string]any) { n["content"] = "<p>withdrawable</p>" })
		send(t, s.n, letter{body: body, keyID: a + "#main-key"}).want(t, 202, "relayed")
		var doc struct{ Object struct{ ID string } }
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		author[name], post[name] = a, doc.Object.ID
	}
	s.settled(t)
	left := len(withdraw)
	if n := len(found()); n != left {
		t.Fatalf("%d of %d posts are found", n, left)
	}
	for name, by := range withdraw {
		t.Run(name, func(t *testing.T) {
			send(t, s.n, letter{body: by(author[name], post[name]), keyID: author[name] + "#main-key"}).want(t, 202, "kept")
			s.settled(t)
			left--
			if posts := found(); slices.Contains(posts, post[name]) || len(posts) != left {
				t.Errorf("found %v, of which there should be %d", posts, left)
			}
			if _, err := s.store.GetPostByURI(t.Context(), post[name]); err == nil {
				t.Error("it can still be read")
			}
		})
	}
	// It stays gone: a post of who objected is not kept again.
	send(t, s.n, letter{body: noteBy(author["block"], s.lair.url, func(_, n map[string]any) { n["content"] = "withdrawable" }), keyID: author["block"] + "#main-key"}).want(t, 202, "relayed")
	s.settled(t)
	if posts := found(); len(posts) != 0 {
		t.Errorf("found again: %v", posts)
	}
}

// metric reads a counter of the node.
func metric(t *testing.T, n *relay.Node, name string) string {
	t.Helper()
	resp, err := http.Get(n.BaseURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return value
		}
	}
	return "0"
}

// TestAnnounceAttacks (A20 to A22, A38): the object of an Announce is fetched
// from where its id says, and is relayed only if what is there is that very
// object, public, by an actor of that origin.
func TestAnnounceAttacks(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	other := newLair(t)
	victim := s.kept(t, 0)
	s.now(t)
	l := s.lair
	object := func(id, by string, change func(map[string]any)) string {
		d := map[string]any{"@context": "https://www.w3.org/ns/activitystreams", "id": id, "type": "Note", "attributedTo": by, "to": activitypub.Public, "content": "announced"}
		if change != nil {
			change(d)
		}
		return string(marshal(d))
	}
	own := func(path string, change func(map[string]any)) string { return object(l.url+path, eve, change) }
	l.serve("/o/page", "text/html", own("/o/page", nil))
	l.serve("/o/upload", "application/json", own("/o/upload", nil))
	l.serve("/o/other-id", "", own("/o/another", nil))
	l.serve("/o/victims-id", "", object(victim.ObjectID+"x", s.in.AuthorURI(0), nil))
	l.serve("/o/victims-author", "", own("/o/victims-author", func(d map[string]any) { d["attributedTo"] = s.in.AuthorURI(0) }))
	l.serve("/o/followers", "", own("/o/followers", func(d map[string]any) { d["to"] = eve + "/followers" }))
	l.serve("/o/quiet", "", own("/o/quiet", func(d map[string]any) { d["to"], d["cc"] = eve+"/followers", activitypub.Public }))
	l.serve("/o/actor", "", string(actorDocument(l.url+"/o/actor", &foe().PublicKey, nil)))
	l.serve("/o/like", "", own("/o/like", func(d map[string]any) { d["type"] = "Like" }))
	l.serve("/o/huge", "", own("/o/huge", func(d map[string]any) { d["content"] = strings.Repeat("x", 2<<20) }))
	l.serve("/o/broken", "", `{"id":`)
	l.handle("/o/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.url+"/o/moved", http.StatusFound)
	})
	other.serve("/o/moved", "", own("/o/moved", nil))
	other.serve("/o/followers", "", object(other.url+"/o/followers", other.url+"/u", func(d map[string]any) { d["to"] = other.url + "/u/followers" }))
	other.serve("/u", "", string(actorDocument(other.url+"/u", &foe().PublicKey, nil)))
	rows := []struct{ name, id, reason string }{
		{"of another content type (A20)", l.url + "/o/page", "unknown"},
		{"an upload (A20)", l.url + "/o/upload", "unknown"},
		{"with another id (A21)", l.url + "/o/other-id", "unknown"},
		{"with an id of the victim's (A21)", l.url + "/o/victims-id", "unknown"},
		{"by the victim, on the attacker's origin (A21)", l.url + "/o/victims-author", "origin"},
		{"on another origin after a redirect", l.url + "/o/moved", "unknown"},
		{"for followers, shown to the relay's key (A38)", l.url + "/o/followers", "not-public"},
		{"somebody else's, for followers (A38)", other.url + "/o/followers", "not-public"},
		{"quiet", l.url + "/o/quiet", "unlisted"},
		{"an actor", l.url + "/o/actor", "type"},
		{"no post", l.url + "/o/like", "type"},
		{"too large", l.url + "/o/huge", "unknown"},
		{"not there", l.url + "/o/nothing", "unknown"},
	}
	dropped := map[string]int{}
	for _, tt := range rows {
		send(t, s.n, letter{body: activityBy("Announce", eve, tt.id), keyID: eve + "#main-key"}).want(t, 202, "resolving")
		dropped[tt.reason]++
	}
	eventually(t, 20*time.Second, func() string {
		for reason, n := range dropped {
			if have := metric(t, s.n, `hark_announces_dropped_total{reason="`+reason+`"}`); have != fmt.Sprint(n) {
				return fmt.Sprintf("%s of %d are dropped with the reason %s", have, n, reason)
			}
		}
		return ""
	})
	stranger := newLair(t)
	bob := stranger.person("/bob", nil)
	for _, tt := range []struct {
		name, by string
		body     []byte
		status   int
		reason   string
	}{
		{"by a stranger (A22)", bob, activityBy("Announce", bob, other.url+"/o/moved"), 202, "not-a-member"},
		{"in a subscriber's name", bob, activityBy("Announce", eve, other.url+"/o/moved"), 401, "actor"},
		{"of the victim's post again", eve, activityBy("Announce", eve, victim.ObjectID), 202, "duplicate"},
		{"embedded and altered, of the victim's post", eve, activityBy("Announce", eve, map[string]any{"id": victim.ObjectID, "type": "Note", "attributedTo": eve, "content": "forged"}), 202, "duplicate"},
		{"of an embedded Create by the victim", eve, activityBy("Announce", eve, map[string]any{"id": victim.ActivityID, "type": "Create", "actor": s.in.AuthorURI(0), "object": map[string]any{"id": victim.ObjectID, "type": "Note", "content": "forged"}}), 202, "duplicate"},
		{"of a Delete", eve, activityBy("Announce", eve, map[string]any{"id": l.url + "/d", "type": "Delete", "actor": s.in.AuthorURI(0), "object": victim.ObjectID}), 202, "type"},
		{"of nothing", eve, activityBy("Announce", eve, nil), 202, "type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send(t, s.n, letter{body: tt.body, keyID: tt.by + "#main-key"}).want(t, tt.status, tt.reason)
		})
	}
	if n := other.asked("GET /o/moved"); n > 1 {
		t.Errorf("asked %d times on a stranger's word", n)
	}
	s.untouched(t)
	if p, err := s.store.GetPostByURI(context.WithoutCancel(t.Context()), victim.ObjectID); err != nil || strings.Contains(p.Text, "forged") {
		t.Errorf("the victim's post is %+v, %v", p, err)
	}
}
