package interop_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"hark/activitypub/sig"
	"hark/relay"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

func node(t *testing.T) (*relay.Node, *sqlite.Store) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	key, err := sig.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	log := &tail{}
	n, err := relay.New(relay.Options{
		Store: store, Key: key, Listen: "127.0.0.1:0", AllowPrivate: true, AllowHTTP: true, HostRate: 1000, GlobalRate: 10000,
		RetryMin: 50 * time.Millisecond, RetryMax: time.Second, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the relay's log:\n%s", log)
		}
	})
	return n, store
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 seconds", what)
		}
	}
}

// neighbour is a simulated Mastodon that has subscribed.
func neighbour(t *testing.T, n *relay.Node) *neighbourhood.Instance {
	t.Helper()
	hood, err := neighbourhood.Start(t.Context(), neighbourhood.Options{Relay: n.BaseURL(), Mastodon: 1, AuthorsPerInstance: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hood.Close() })
	if err := hood.Subscribe(t.Context()); err != nil {
		t.Fatal(err)
	}
	return hood.Instances()[0]
}

func formOf(in *neighbourhood.Instance, object string) neighbourhood.Form {
	for _, r := range in.Received() {
		if r.ObjectID == object && r.Verified {
			return r.Form
		}
	}
	return ""
}

// Fedify's names of the two schemes.
const (
	cavage  = "draft-cavage-http-signatures-12"
	rfc9421 = "rfc9421"
)

// publishes lets an instance publish with every kind of signature, and wants
// each post to reach the other subscriber in the right form, to be stored with
// what proved it, and to be found. It returns the last that was sent with a
// linked data signature alone.
func publishes(t *testing.T, f *instance, other *neighbourhood.Instance, store *sqlite.Store, flavour string) (last answer) {
	t.Helper()
	for i, h := range []struct {
		http      string
		ld, proof bool
		form      neighbourhood.Form
		scheme    string
	}{
		{cavage, false, false, neighbourhood.FormAnnounce, "cavage"},
		{rfc9421, false, false, neighbourhood.FormAnnounce, "rfc9421"},
		{cavage, true, false, neighbourhood.FormForward, "cavage"},
		{rfc9421, true, false, neighbourhood.FormForward, "rfc9421"},
		{cavage, false, true, neighbourhood.FormAnnounce, "cavage"}, // the neighbour is too old for integrity proofs
		{rfc9421, false, true, neighbourhood.FormAnnounce, "rfc9421"},
		{cavage, true, true, neighbourhood.FormAnnounce, "cavage"}, // the same
		{rfc9421, true, true, neighbourhood.FormAnnounce, "rfc9421"},
	} {
		what := fmt.Sprintf("%s, ld %v, proof %v", h.http, h.ld, h.proof)
		word := fmt.Sprintf("%sinterop%d", flavour, i)
		sent := f.taken("relayed", "publish", args{"content": word + " " + what, "http": h.http, "ld": h.ld, "proof": h.proof})
		eventually(t, what+": at the other subscriber", func() bool { return formOf(other, sent.Object) != "" })
		if form := formOf(other, sent.Object); form != h.form {
			t.Errorf("%s: reached the neighbour as %s, want %s\n%s", what, form, h.form, sent.Doc)
		}
		eventually(t, what+": found", func() bool { return found(t, store, word, sent.Object) })
		post, err := store.GetPostByURI(t.Context(), sent.Object)
		if err != nil {
			t.Fatal(err)
		}
		if post.Evidence.Scheme != h.scheme || post.Actor != f.Author {
			t.Errorf("%s: stored by %s, proven by %q", what, post.Actor, post.Evidence.Scheme)
		}
		if h.ld && !h.proof {
			last = sent
		}
	}
	return last
}

// found tells whether a search for a word has one post, which is the object.
func found(t *testing.T, store *sqlite.Store, word, object string) bool {
	t.Helper()
	hits, err := store.Search(t.Context(), query.Parse(word, query.Options{Now: time.Now()}), storage.Page{})
	if err != nil {
		t.Fatal(err)
	}
	return len(hits.Posts) == 1 && hits.Posts[0].URI == object
}

// says lets the neighbour publish, and returns the post's id.
func says(t *testing.T, other *neighbourhood.Instance, p neighbourhood.Post) string {
	t.Helper()
	sent, err := other.Publish(t.Context(), p)
	if err != nil || sent.Status != 202 {
		t.Fatalf("%+v, %v", sent, err)
	}
	return sent.ObjectID
}

// TestFedifyAsMastodon: an instance on Fedify subscribes as Mastodon does,
// publishes with every kind of signature, and verifies what the relay sends.
func TestFedifyAsMastodon(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Node.js")
	}
	n, store := node(t)
	other := neighbour(t, n)
	f := start(t, settings{Relay: n.BaseURL(), FirstKnock: rfc9421})
	f.taken("subscribed", "follow", args{"object": "public", "http": rfc9421})
	eventually(t, "the Accept, verified by Fedify", func() bool { return f.heard("Accept", "") })

	last := publishes(t, f, other, store, "mastodon")
	entries, err := store.Read(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	proofs := map[storage.Proof]int{}
	for _, e := range entries {
		proofs[e.Proof]++
	}
	if proofs[storage.ProofLD] != 2 || proofs[storage.ProofIntegrity] != 2 || proofs[storage.ProofBeside] != 2 {
		t.Errorf("journaled with proofs %v", proofs)
	}

	t.Run("as Fedify does it by itself", func(t *testing.T) {
		sent := f.do("send", args{"content": "interopitself"})
		eventually(t, "at the other subscriber", func() bool { return formOf(other, sent.Object) != "" })
		eventually(t, "found", func() bool { return found(t, store, "interopitself", sent.Object) })
	})
	t.Run("edit and delete", func(t *testing.T) {
		f.taken("relayed", "edit", args{"object": last.Object, "content": "interop, corrected", "http": rfc9421, "ld": true})
		eventually(t, "the edit is stored", func() bool {
			p, err := store.GetPostByURI(t.Context(), last.Object)
			return err == nil && strings.Contains(p.Text, "corrected")
		})
		f.taken("relayed", "remove", args{"object": last.Object, "http": rfc9421, "ld": true})
		eventually(t, "the post is gone", func() bool {
			_, err := store.GetPostByURI(t.Context(), last.Object)
			return errors.Is(err, storage.ErrNotFound)
		})
	})
	t.Run("receives and verifies", func(t *testing.T) {
		signed := says(t, other, neighbourhood.Post{Entry: neighbourhood.Corpus()[0]})
		eventually(t, "the neighbour's own Create at Fedify", func() bool { return f.heard("Create", signed) })
		// What the listener heard rests on the author's signature alone.
		if out := f.do("again", args{"object": signed}); out.Status != 202 {
			t.Errorf("the Create without the relay's signature: %d %s", out.Status, out.Answer)
		}
		if out := f.do("again", args{"object": signed, "words": "forged"}); out.Status != 401 {
			t.Errorf("the Create with other words: %d %s", out.Status, out.Answer)
		}
		if _, err := other.Edit(t.Context(), signed, "neighbourly corrected"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the neighbour's edit at Fedify", func() bool { return f.heard("Update", signed) })
		if _, err := other.Delete(t.Context(), signed); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the neighbour's deletion at Fedify", func() bool { return f.heard("Delete", signed) })
		unsigned := says(t, other, neighbourhood.Post{Entry: neighbourhood.Corpus()[1], NoProof: true})
		eventually(t, "an Announce of what has no proof at Fedify", func() bool { return f.heard("Announce", unsigned) })
		f.refusedNothing()
		accepts := f.do("prove", args{"type": "Accept"}).List
		if len(accepts) == 0 {
			t.Error("no Accept to prove")
		}
		for _, r := range accepts {
			if r.Proof == nil || !*r.Proof {
				t.Errorf("Fedify does not take the proof of %s", r.ID)
			}
		}
	})
	t.Run("leaves", func(t *testing.T) {
		f.taken("unsubscribed", "unfollow", args{"http": rfc9421})
	})
}

// TestFedifyAsLitePub: an instance on Fedify follows the relay's actor, is
// followed back, announces its posts, which Hark fetches signed, and gets
// Announces.
func TestFedifyAsLitePub(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Node.js")
	}
	n, store := node(t)
	other := neighbour(t, n)
	f := start(t, settings{Relay: n.BaseURL(), FirstKnock: cavage, Modern: true})
	f.taken("subscribed", "follow", args{"object": "actor", "http": cavage})
	eventually(t, "the Accept, verified by Fedify", func() bool { return f.heard("Accept", "") })
	eventually(t, "the follow back", func() bool { return f.heard("Follow", "") })
	eventually(t, "the mutual subscription", func() bool {
		s, err := store.GetSubscriber(t.Context(), f.Actor)
		return err == nil && s.Mutual && s.State == storage.StateActive && s.Flavour == storage.FlavourLitePub && s.Software == "fedify-test"
	})
	sent := f.taken("resolving", "announce", args{"content": "interop announced", "http": rfc9421})
	eventually(t, "the announced post at the other subscriber", func() bool { return formOf(other, sent.Object) == neighbourhood.FormAnnounce })
	eventually(t, "the announced post, fetched signed and stored", func() bool {
		p, err := store.GetPostByURI(t.Context(), sent.Object)
		return err == nil && strings.Contains(p.Text, "interop announced")
	})
	publishes(t, f, other, store, "litepub")
	before := f.do("received", nil).Refused
	theirs := says(t, other, neighbourhood.Post{Entry: neighbourhood.Corpus()[1]})
	eventually(t, "an Announce at Fedify", func() bool { return f.heard("Announce", theirs) })
	// It refuses draft-cavage: all that the relay says came by RFC 9421, and
	// the relay remembers what this host takes.
	if after := f.do("received", nil).Refused; before == 0 || after != before {
		t.Errorf("the relay knocked with draft-cavage %d times, and %d times more when it knew better", before, after-before)
	}
	for _, r := range f.do("arrived", nil).List {
		if r.Scheme != "rfc9421" || r.Status != 202 {
			t.Errorf("%s of %s by %q: %d", r.Type, r.Object, r.Scheme, r.Status)
		}
	}
	announces := f.do("prove", args{"type": "Announce"}).List
	if len(announces) == 0 {
		t.Error("no Announce to prove")
	}
	for _, r := range announces {
		if r.LD == nil || !*r.LD {
			t.Errorf("Fedify does not take the linked data signature of %s", r.ID)
		}
	}
	f.taken("unsubscribed", "unfollow", args{"http": rfc9421})
	eventually(t, "the end of the follow back", func() bool { return f.heard("Undo", "") })
}

// TestFedifyHearsFedify: of two instances one says that it is a Mastodon that
// takes integrity proofs. What the relay forwards to it, Fedify made and Fedify
// verifies.
func TestFedifyHearsFedify(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Node.js")
	}
	n, store := node(t)
	hearer := start(t, settings{Relay: n.BaseURL(), FirstKnock: rfc9421, Software: "mastodon", Version: "4.7.0", Modern: true})
	sayer := start(t, settings{Relay: n.BaseURL(), FirstKnock: rfc9421})
	for _, f := range []*instance{hearer, sayer} {
		f.taken("subscribed", "follow", args{"object": "public", "http": rfc9421})
		eventually(t, "the Accept, verified by Fedify", func() bool { return f.heard("Accept", "") })
	}
	eventually(t, "the software of the hearer", func() bool {
		s, err := store.GetSubscriber(t.Context(), hearer.Actor)
		return err == nil && s.Software == "mastodon" && s.Version == "4.7.0"
	})
	for _, h := range []struct {
		ld, proof bool
		typ       string
	}{
		{true, false, "Create"}, {false, true, "Create"}, {false, false, "Announce"},
	} {
		what := fmt.Sprintf("ld %v, proof %v", h.ld, h.proof)
		sent := sayer.taken("relayed", "publish", args{"content": what, "http": cavage, "ld": h.ld, "proof": h.proof})
		eventually(t, what+": "+h.typ+" at the hearer", func() bool { return hearer.heard(h.typ, sent.Object) })
		if h.typ == "Announce" {
			continue
		}
		if out := hearer.do("again", args{"object": sent.Object}); out.Status != 202 {
			t.Errorf("%s: without the relay's signature: %d %s", what, out.Status, out.Answer)
		}
		if out := hearer.do("again", args{"object": sent.Object, "words": "forged"}); out.Status != 401 {
			t.Errorf("%s: with other words: %d %s", what, out.Status, out.Answer)
		}
		how := args{"object": sent.Object, "content": "corrected", "http": rfc9421, "ld": h.ld, "proof": h.proof}
		sayer.taken("relayed", "edit", how)
		eventually(t, what+": the edit at the hearer", func() bool { return hearer.heard("Update", sent.Object) })
		sayer.taken("relayed", "remove", how)
		eventually(t, what+": the deletion at the hearer", func() bool { return hearer.heard("Delete", sent.Object) })
	}
	hearer.refusedNothing()
}
