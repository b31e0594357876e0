package relay_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"hark/activitypub/sig"
	"hark/classifier"
	"hark/relay"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

// believing is a classifier that finds nothing and believes the author's tag:
// these tests are about relaying. TestLabels uses the real one.
type believing struct{}

func (believing) Classify(_ context.Context, in classifier.Input) classifier.Result {
	return classifier.Result{Language: in.Language, Version: "none"}
}

// node starts a node on loopback with a store of its own.
func node(t *testing.T, change func(*relay.Options)) (*relay.Node, *sqlite.Store) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	key, err := sig.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	o := relay.Options{
		Store: store, Key: key, Listen: "127.0.0.1:0", AllowPrivate: true, AllowHTTP: true, HostRate: 1000, GlobalRate: 10000,
		Classifier: believing{}, RetryMin: 50 * time.Millisecond, RetryMax: time.Second, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&o)
	}
	n, err := relay.New(o)
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
	})
	return n, store
}

func neighbours(t *testing.T, n *relay.Node, o neighbourhood.Options) *neighbourhood.Neighbourhood {
	t.Helper()
	o.Relay, o.Seed = n.BaseURL(), 1
	if o.AuthorsPerInstance == 0 {
		o.AuthorsPerInstance = 1
	}
	hood, err := neighbourhood.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hood.Close(); err != nil {
			t.Error(err)
		}
	})
	return hood
}

// eventually waits until the condition holds; what says what is missing.
func eventually(t *testing.T, within time.Duration, what func() string) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		missing := what()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", within, missing)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func got(in *neighbourhood.Instance, object string) []neighbourhood.Received {
	var out []neighbourhood.Received
	for _, r := range in.Received() {
		if r.ObjectID == object {
			out = append(out, r)
		}
	}
	return out
}

func entry(t *testing.T, keep func(neighbourhood.Entry) bool) neighbourhood.Entry {
	t.Helper()
	for _, e := range neighbourhood.Corpus() {
		if keep(e) {
			return e
		}
	}
	t.Fatal("no such post in the corpus")
	return neighbourhood.Entry{}
}

// TestEveryPostReachesEveryOtherSubscriber is the relay's main job, with
// twenty-one instances of the three kinds.
func TestEveryPostReachesEveryOtherSubscriber(t *testing.T) {
	n, store := node(t, func(o *relay.Options) { o.Consent = relay.ConsentPublic })
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 12, Pleroma: 5, Misskey: 4})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	instances := hood.Instances()
	type post struct {
		from   *neighbourhood.Instance
		object string
	}
	var public []post
	var private []string
	for i, in := range instances {
		corpus := neighbourhood.Corpus()
		sent, err := in.Publish(ctx, neighbourhood.Post{Entry: corpus[i%len(corpus)]})
		if err != nil || sent.Status != http.StatusAccepted {
			t.Fatalf("%s: %+v, %v", in.Host(), sent, err)
		}
		public = append(public, post{in, sent.ObjectID})
		if in.Kind() == neighbourhood.Pleroma {
			continue // a relay of its own announces only what is public
		}
		for _, audience := range []neighbourhood.Audience{neighbourhood.Followers, neighbourhood.Direct} {
			sent, err := in.Publish(ctx, neighbourhood.Post{Entry: corpus[(i+7)%len(corpus)], Audience: audience})
			if err != nil || sent.Status != http.StatusAccepted {
				t.Fatalf("%s, %v: %+v, %v", in.Host(), audience, sent, err)
			}
			private = append(private, sent.ObjectID)
		}
	}
	eventually(t, time.Minute, func() string {
		for _, p := range public {
			for _, in := range instances {
				if in != p.from && len(got(in, p.object)) == 0 {
					return fmt.Sprintf("%s never reached %s (%s)", p.object, in.Host(), in.Kind())
				}
			}
		}
		return ""
	})
	for _, p := range public {
		for _, in := range instances {
			rs := got(in, p.object)
			if in == p.from {
				if len(rs) != 0 {
					t.Errorf("%s came back to its sender", p.object)
				}
				continue
			}
			if len(rs) != 1 {
				t.Errorf("%s reached %s %d times", p.object, in.Host(), len(rs))
			}
			r := rs[0]
			if !r.Verified {
				t.Errorf("%s at %s (%s): a strict server refuses it: %s", p.object, in.Host(), in.Kind(), r.Reason)
			}
			want := "announce"
			if in.Kind() != neighbourhood.Pleroma && p.from.Kind() != neighbourhood.Pleroma {
				want = "forward"
			}
			if string(r.Form) != want {
				t.Errorf("%s from %s to %s: %s, want %s", p.object, p.from.Kind(), in.Kind(), r.Form, want)
			}
		}
	}
	for _, object := range private {
		for _, in := range instances {
			if len(got(in, object)) != 0 {
				t.Errorf("%s is not public and reached %s", object, in.Host())
			}
		}
		if _, err := store.GetPostByURI(ctx, object); err == nil {
			t.Errorf("%s is not public and was stored", object)
		}
	}
	eventually(t, 20*time.Second, func() string {
		for _, p := range public {
			if _, err := store.GetPostByURI(ctx, p.object); err != nil {
				return fmt.Sprintf("%s: %v", p.object, err)
			}
		}
		return ""
	})

	// Who leaves gets nothing more.
	leaver, other := instances[0], instances[1]
	if err := leaver.Unsubscribe(ctx); err != nil {
		t.Fatal(err)
	}
	before := len(leaver.Received())
	sent, err := other.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[3]})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() string {
		if len(got(instances[2], sent.ObjectID)) == 0 {
			return "the others still get posts"
		}
		return ""
	})
	if after := len(leaver.Received()); after != before {
		t.Errorf("an instance that left got %d more deliveries", after-before)
	}
}

// TestEditsAndDeletionsPropagate follows one post through its life.
func TestEditsAndDeletionsPropagate(t *testing.T) {
	n, store := node(t, func(o *relay.Options) { o.Consent = relay.ConsentPublic })
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 2, Misskey: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	from, to := hood.Instances()[0], hood.Instances()[1]
	e := entry(t, func(e neighbourhood.Entry) bool { return e.Lang == "en" && e.CW == "" })
	sent, err := from.Publish(ctx, neighbourhood.Post{Entry: e})
	if err != nil {
		t.Fatal(err)
	}
	stored := func() (storage.Post, error) { return store.GetPostByURI(ctx, sent.ObjectID) }
	eventually(t, 10*time.Second, func() string {
		if _, err := stored(); err != nil {
			return "not stored: " + err.Error()
		}
		return ""
	})
	if _, err := from.Edit(ctx, sent.ObjectID, "quixotically edited words"); err != nil {
		t.Fatal(err)
	}
	find := func(text string) int {
		hits, err := store.Search(ctx, query.Parse(text, query.Options{Now: time.Now()}), storage.Page{})
		if err != nil {
			t.Fatal(err)
		}
		return len(hits.Posts)
	}
	eventually(t, 10*time.Second, func() string {
		if find("quixotically") != 1 {
			return "the edit is not found"
		}
		// A Delete takes out of the journal what a subscriber has not had yet,
		// so the edit must have arrived before it.
		for _, r := range got(to, sent.ObjectID) {
			if r.Type == "Update" {
				return ""
			}
		}
		return "Update did not reach the other subscriber"
	})
	if _, err := from.Delete(ctx, sent.ObjectID); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() string {
		if find("quixotically") != 0 {
			return "the deleted post is still found"
		}
		seen := map[string]bool{}
		for _, r := range got(to, sent.ObjectID) {
			if !r.Verified {
				return "refused: " + r.Reason
			}
			seen[r.Type] = true
		}
		for _, typ := range []string{"Create", "Update", "Delete"} {
			if !seen[typ] {
				return typ + " did not reach the other subscriber"
			}
		}
		return ""
	})
	order := []string{}
	for _, r := range got(to, sent.ObjectID) {
		order = append(order, r.Type)
	}
	if want := "Create Update Delete"; strings.Join(order, " ") != want {
		t.Errorf("they arrived as %v", order)
	}
}

// TestSickSubscriberCatchesUp: an instance fails for a while, others do not
// wait for it, and it gets everything, in order, when it is back.
func TestSickSubscriberCatchesUp(t *testing.T) {
	n, store := node(t, nil)
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 3})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	from, well, sick := hood.Instances()[0], hood.Instances()[1], hood.Instances()[2]
	sick.SetBehaviour(func(*http.Request) (int, time.Duration, http.Header) { return http.StatusServiceUnavailable, 0, nil })
	var objects []string
	for i := range 12 {
		sent, err := from.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[i]})
		if err != nil || sent.Status != http.StatusAccepted {
			t.Fatalf("%+v, %v", sent, err)
		}
		objects = append(objects, sent.ObjectID)
	}
	eventually(t, 20*time.Second, func() string {
		for _, o := range objects {
			if len(got(well, o)) == 0 {
				return o + " waits for the sick one"
			}
		}
		return ""
	})
	sub, err := store.GetSubscriber(ctx, sick.ActorURI())
	if err != nil || sub.State != storage.StateActive {
		t.Fatalf("%+v, %v", sub, err)
	}
	sick.SetBehaviour(nil)
	eventually(t, 30*time.Second, func() string {
		for _, o := range objects {
			if len(got(sick, o)) == 0 {
				return o + " never reached the one that was sick"
			}
		}
		return ""
	})
}

// TestApproval: newcomers wait, and get nothing before the operator decides.
func TestApproval(t *testing.T) {
	n, store := node(t, func(o *relay.Options) { o.Approval = true })
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 1})
	in := hood.Instances()[0]
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := hood.Subscribe(ctx); err == nil {
		t.Fatal("accepted without the operator")
	}
	sub, err := store.GetSubscriber(t.Context(), in.ActorURI())
	if err != nil || sub.State != storage.StatePending {
		t.Fatalf("%+v, %v", sub, err)
	}
}

// TestTwoRelays: two nodes that follow each other pass everything on once, and
// nothing comes back.
func TestTwoRelays(t *testing.T) {
	a, storeA := node(t, func(o *relay.Options) { o.Consent = relay.ConsentPublic })
	b, storeB := node(t, func(o *relay.Options) {
		o.Consent = relay.ConsentPublic
		o.Upstream = []string{a.BaseURL() + "/inbox"}
	})
	eventually(t, 10*time.Second, func() string {
		if s, err := storeA.GetSubscriber(t.Context(), b.BaseURL()+"/actor"); err != nil || s.State != storage.StateActive {
			return "the second relay does not subscribe to the first"
		}
		return ""
	})
	hoodA := neighbours(t, a, neighbourhood.Options{Mastodon: 2, Pleroma: 1})
	hoodB := neighbours(t, b, neighbourhood.Options{Mastodon: 1, Pleroma: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, h := range []*neighbourhood.Neighbourhood{hoodA, hoodB} {
		if err := h.Subscribe(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var objects []string
	for i, in := range hoodA.Instances() {
		sent, err := in.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[i]})
		if err != nil || sent.Status != http.StatusAccepted {
			t.Fatalf("%+v, %v", sent, err)
		}
		objects = append(objects, sent.ObjectID)
	}
	eventually(t, 20*time.Second, func() string {
		for _, o := range objects {
			for _, in := range hoodB.Instances() {
				if len(got(in, o)) == 0 {
					return o + " did not cross to the other relay's " + string(in.Kind())
				}
			}
			if _, err := storeB.GetPostByURI(ctx, o); err != nil {
				return o + " is not stored behind the other relay"
			}
		}
		return ""
	})
	for _, o := range objects {
		for _, in := range append(hoodA.Instances(), hoodB.Instances()...) {
			rs := got(in, o)
			if len(rs) > 1 {
				t.Errorf("%s reached %s %d times", o, in.Host(), len(rs))
			}
			for _, r := range rs {
				if !r.Verified {
					t.Errorf("%s at %s: %s", o, in.Host(), r.Reason)
				}
			}
		}
	}
}
