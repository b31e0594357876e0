package storetest

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"hark/storage"
)

// ErasingStore is a store that can forget.
type ErasingStore interface {
	JournalStore
	ArchiveStore
	Forget(ctx context.Context, actor, host, uri string) (storage.Forgotten, error)
	Checkpoint(ctx context.Context) error
}

// secret is a word that must be gone: it stands in every part of a post and
// of its entry that can hold text, and is a token of its own in any index.
const secret = "zyxgnorfel"

// Erasure checks that what is deleted is gone from every byte of the files
// that hold the store, and that what is forgotten does not come back.
func Erasure(t *testing.T, open func(t *testing.T) ErasingStore, files func(t *testing.T) []string) {
	delete1 := func(t *testing.T, s ErasingStore, p *storage.Post) {
		must[[]storage.OpResult](t)(s.Apply(t.Context(), storage.Batch{Cursor: 2, Ops: []storage.Op{{Kind: storage.OpDelete, URI: p.URI, Actor: p.Actor}}}))
		must[int64](t)(s.EraseObject(t.Context(), p.URI))
		noError(t, s.Checkpoint(t.Context()))
	}
	forget := func(actor, host, uri string) func(*testing.T, ErasingStore, *storage.Post) {
		return func(t *testing.T, s ErasingStore, _ *storage.Post) {
			r := must[storage.Forgotten](t)(s.Forget(t.Context(), actor, host, uri))
			if r.Posts != 1 || r.Entries != 1 {
				t.Errorf("receipt %+v, want one post and one entry", r)
			}
		}
	}
	p := secretPost("")
	for name, act := range map[string]func(*testing.T, ErasingStore, *storage.Post){
		"Delete":      delete1,
		"ForgetActor": forget(p.Actor, "", ""),
		"ForgetHost":  forget("", p.Host, ""),
		"ForgetURI":   forget("", "", p.URI),
		"DeleteActor": func(t *testing.T, s ErasingStore, p *storage.Post) {
			must[[]storage.OpResult](t)(s.Apply(t.Context(), storage.Batch{Cursor: 2, Ops: []storage.Op{{Kind: storage.OpDeleteActor, Actor: p.Actor}}}))
			must[int64](t)(s.EraseActor(t.Context(), p.Actor))
			noError(t, s.Checkpoint(t.Context()))
		},
		"Update": func(t *testing.T, s ErasingStore, p *storage.Post) {
			next := secretPost("harmless")
			must[[]storage.OpResult](t)(s.Apply(t.Context(), storage.Batch{Cursor: 2, Ops: []storage.Op{{Kind: storage.OpUpdate, Post: next}}}))
			must[int64](t)(s.EraseObject(t.Context(), p.URI))
			noError(t, s.Checkpoint(t.Context()))
		},
		"Expire": func(t *testing.T, s ErasingStore, p *storage.Post) {
			for _, u := range must[[]storage.Unresolved](t)(s.ListUnresolved(t.Context(), time.Now(), 10)) {
				noError(t, s.DropUnresolved(t.Context(), u.ID))
			}
			for must[int64](t)(s.Expire(t.Context(), p.Received.Add(time.Minute), 0)) > 0 {
			}
			must[int64](t)(s.Trim(t.Context(), time.Now().Add(time.Hour), 1<<40))
			noError(t, s.Checkpoint(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t, open)
			secretIn(t, s)
			if occurrences(t, files(t), secret) == 0 || occurrences(t, files(t), secretID) == 0 {
				t.Fatal("the words are in no file: the test proves nothing")
			}
			act(t, s, p)
			if n := occurrences(t, files(t), secret); n > 0 {
				t.Errorf("the word is left %d times", n)
			}
			if n := occurrences(t, files(t), secretID); strings.HasPrefix(name, "Forget") && n > 0 {
				t.Errorf("the id is left %d times", n)
			}
			if name == "Expire" || name == "Update" {
				return
			}
			again := secretPost("back again")
			if n := must[int64](t)(s.PutPosts(t.Context(), []storage.Post{*again})); n != 0 {
				t.Error("an import brought the post back")
			}
		})
	}
	t.Run("ForgetOne", func(t *testing.T) {
		s := started(t, open)
		for _, args := range [][3]string{{}, {"a", "b", ""}, {"a", "b", "c"}} {
			if _, err := s.Forget(t.Context(), args[0], args[1], args[2]); err == nil {
				t.Errorf("forget of %q was taken", args)
			}
		}
	})
	t.Run("ForgetLeavesOthers", func(t *testing.T) {
		s := started(t, open)
		secretIn(t, s)
		other := post(500, "bob", "bystander")
		other.Actor, other.Handle, other.Host = "https://a.example.org/users/bob", "bob@a.example.org", "a.example.org"
		must[int64](t)(s.PutPosts(t.Context(), []storage.Post{*other}))
		e := entry(500)
		e.Actor, e.Origin, e.Via = other.Actor, other.Host, other.Host
		must[bool](t)(s.Append(t.Context(), e))
		must[storage.Forgotten](t)(s.Forget(t.Context(), "", "a.example", ""))
		must[storage.Post](t)(s.GetPostByURI(t.Context(), other.URI))
		for _, got := range must[[]storage.Entry](t)(s.Read(t.Context(), e.Seq-1, 1)) {
			equal(t, "entry", got, *e)
		}
	})
}

// secretID is part of the post's and its activity's id.
const secretID = "vuxqidplome"

func secretPost(text string) *storage.Post {
	p := post(1, "ann", text)
	p.URI, p.URL, p.ActivityID = "https://a.example/notes/"+secretID, "https://a.example/@ann/"+secretID, "https://a.example/activities/"+secretID
	return p
}

// secretIn stores a post with the words among others of another host.
func secretIn(t *testing.T, s ErasingStore) {
	t.Helper()
	p := secretPost("text " + secret)
	p.Warning, p.Name, p.Poll, p.Tags = secret, secret, []string{secret}, []string{secret}
	p.Attachments[0].Description, p.Labels[0].Reasons[0].Text = secret, secret
	p.Raw = []byte(`{"content":"` + secret + `"}`)
	ops := puts(p)
	for n := 100; n < 140; n++ {
		q := post(n, "carl", "other words around it")
		q.Actor, q.Handle, q.Host = "https://c.example/users/carl", "carl@c.example", "c.example"
		ops = append(ops, puts(q)...)
	}
	must[[]storage.OpResult](t)(s.Apply(t.Context(), storage.Batch{Ops: ops, Cursor: 1}))
	e := entry(1)
	e.ActivityID, e.ObjectID, e.ObjectKey = p.ActivityID, p.URI, p.URI
	e.Body, e.Object = []byte(secret), []byte(secret)
	e.Evidence.Signature = secret
	must[bool](t)(s.Append(t.Context(), e))
	u := &storage.Unresolved{ActivityID: p.ActivityID + "/announce", Actor: p.Actor, ObjectID: p.URI, Via: "a.example", Body: []byte(secret)}
	must[bool](t)(s.AppendUnresolved(t.Context(), u))
	noError(t, s.Checkpoint(t.Context())) // so that it stands in the database, not in the log alone
}

// occurrences counts a word in the bytes of the files. Compressed bytes are
// not looked into: short activities are stored as they are.
func occurrences(t *testing.T, files []string, word string) (n int) {
	t.Helper()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(b, []byte(word))
	}
	return n
}
