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

// TestFedifyAsMastodon: an instance on Fedify subscribes as Mastodon does,
// publishes with every kind of signature, and verifies what the relay sends.
func TestFedifyAsMastodon(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Node.js")
	}
	n, store := node(t)
	other := neighbour(t, n)
	f := start(t, n.BaseURL(), "rfc9421")
	f.taken("subscribed", "follow", args{"object": "public", "http": "rfc9421"})
	eventually(t, "the Accept, verified by Fedify", func() bool { return f.heard("Accept", "") })

	type how struct {
		http      string
		ld, proof bool
		form      neighbourhood.Form
		scheme    string
	}
	var last answer
	for _, h := range []how{
		{"draft-cavage-http-signatures-12", false, false, neighbourhood.FormAnnounce, "cavage"},
		{"rfc9421", false, false, neighbourhood.FormAnnounce, "rfc9421"},
		{"draft-cavage-http-signatures-12", true, false, neighbourhood.FormForward, "cavage"},
		{"rfc9421", true, false, neighbourhood.FormForward, "rfc9421"},
		{"rfc9421", false, true, neighbourhood.FormAnnounce, "rfc9421"}, // the neighbour is too old for integrity proofs
		{"rfc9421", true, true, neighbourhood.FormAnnounce, "rfc9421"},  // both proofs count as none
	} {
		what := fmt.Sprintf("%s, ld %v, proof %v", h.http, h.ld, h.proof)
		sent := f.taken("relayed", "publish", args{"content": "interop " + what, "http": h.http, "ld": h.ld, "proof": h.proof})
		eventually(t, what+": at the other subscriber", func() bool { return formOf(other, sent.Object) != "" })
		if form := formOf(other, sent.Object); form != h.form {
			t.Errorf("%s: reached the neighbour as %s, want %s\n%s", what, form, h.form, sent.Doc)
		}
		var post storage.Post
		eventually(t, what+": stored", func() bool {
			p, err := store.GetPostByURI(t.Context(), sent.Object)
			post = p
			return err == nil
		})
		if post.Evidence.Scheme != h.scheme || post.Actor != f.Author || !strings.Contains(post.Text, "interop") {
			t.Errorf("%s: stored %q by %s, proven by %q", what, post.Text, post.Actor, post.Evidence.Scheme)
		}
		if h.ld && !h.proof {
			last = sent
		}
	}
	entries, err := store.Read(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	proofs := map[storage.Proof]int{}
	for _, e := range entries {
		proofs[e.Proof]++
	}
	if proofs[storage.ProofLD] != 2 || proofs[storage.ProofIntegrity] != 1 {
		t.Errorf("journaled with proofs %v", proofs)
	}

	t.Run("as Fedify does it by itself", func(t *testing.T) {
		sent := f.do("send", args{"content": "interop by itself"})
		eventually(t, "at the other subscriber", func() bool { return formOf(other, sent.Object) != "" })
	})
	t.Run("edit and delete", func(t *testing.T) {
		f.taken("relayed", "edit", args{"object": last.Object, "content": "interop, corrected", "http": "rfc9421", "ld": true})
		eventually(t, "the edit is stored", func() bool {
			p, err := store.GetPostByURI(t.Context(), last.Object)
			return err == nil && strings.Contains(p.Text, "corrected")
		})
		f.taken("relayed", "remove", args{"object": last.Object, "http": "rfc9421", "ld": true})
		eventually(t, "the post is gone", func() bool {
			_, err := store.GetPostByURI(t.Context(), last.Object)
			return errors.Is(err, storage.ErrNotFound)
		})
	})
	t.Run("receives and verifies", func(t *testing.T) {
		sent, err := other.Publish(t.Context(), neighbourhood.Post{Entry: neighbourhood.Corpus()[0]})
		if err != nil || sent.Status != 202 {
			t.Fatalf("%+v, %v", sent, err)
		}
		eventually(t, "the neighbour's post at Fedify", func() bool {
			return f.heard("Create", sent.ObjectID) || f.heard("Announce", sent.ObjectID)
		})
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
		f.taken("unsubscribed", "unfollow", args{"http": "rfc9421"})
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
	f := start(t, n.BaseURL(), "draft-cavage-http-signatures-12")
	f.taken("subscribed", "follow", args{"object": "actor", "http": "draft-cavage-http-signatures-12"})
	eventually(t, "the Accept, verified by Fedify", func() bool { return f.heard("Accept", "") })
	eventually(t, "the follow back", func() bool { return f.heard("Follow", "") })
	eventually(t, "the mutual subscription", func() bool {
		s, err := store.GetSubscriber(t.Context(), f.Actor)
		return err == nil && s.Mutual && s.State == storage.StateActive && s.Flavour == storage.FlavourLitePub && s.Software == "fedify-test"
	})
	sent := f.taken("resolving", "announce", args{"content": "interop announced", "http": "rfc9421"})
	eventually(t, "the announced post at the other subscriber", func() bool { return formOf(other, sent.Object) == neighbourhood.FormAnnounce })
	eventually(t, "the announced post, fetched signed and stored", func() bool {
		p, err := store.GetPostByURI(t.Context(), sent.Object)
		return err == nil && strings.Contains(p.Text, "interop announced")
	})
	theirs, err := other.Publish(t.Context(), neighbourhood.Post{Entry: neighbourhood.Corpus()[1]})
	if err != nil || theirs.Status != 202 {
		t.Fatalf("%+v, %v", theirs, err)
	}
	eventually(t, "an Announce at Fedify", func() bool { return f.heard("Announce", theirs.ObjectID) })
	announces := f.do("prove", args{"type": "Announce"}).List
	if len(announces) == 0 {
		t.Error("no Announce to prove")
	}
	for _, r := range announces {
		if r.LD == nil || !*r.LD {
			t.Errorf("Fedify does not take the linked data signature of %s", r.ID)
		}
	}
}
